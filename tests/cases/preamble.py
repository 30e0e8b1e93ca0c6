# What every `python` row may use. A probe ends with `attempt(...)`, which prints `ok` or the name of
# the error, or prints what it found.
import ctypes, errno, os, platform, socket, struct, sys

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long

# Numbers of system calls that the C library does not wrap: x86_64, aarch64.
_NUMBERS = {
    "add_key": (248, 217), "bpf": (321, 280), "clone": (56, 220), "clone3": (435, 435), "fsmount": (432, 432),
    "fsopen": (430, 430), "getpid": (39, 172), "io_uring_setup": (425, 425), "kcmp": (312, 272),
    "keyctl": (250, 219), "mount": (165, 40), "mount_setattr": (442, 442), "move_mount": (429, 429),
    "open_tree": (428, 428), "perf_event_open": (298, 241), "pidfd_getfd": (438, 438), "pidfd_open": (434, 434),
    "pivot_root": (155, 41), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "ptrace": (101, 117),
    "request_key": (249, 218), "setns": (308, 268), "swapon": (167, 224), "umount2": (166, 39),
    "unshare": (272, 97), "userfaultfd": (323, 282), "init_module": (175, 105), "reboot": (169, 142),
    "kexec_load": (246, 104), "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265),
    "chroot": (161, 51), "fcntl": (72, 25), "sethostname": (170, 161), "settimeofday": (164, 170), "open_tree_attr": (467, 467),
}


def syscall(name, *args):
    number = name if isinstance(name, int) else _NUMBERS[name][0 if platform.machine() == "x86_64" else 1]
    words = []
    for arg in args:
        if arg is None:
            words.append(ctypes.c_void_p(None))
        elif isinstance(arg, bytes):
            words.append(ctypes.c_char_p(arg))
        elif isinstance(arg, int):
            words.append(ctypes.c_long(arg))
        else:
            words.append(arg)
    ctypes.set_errno(0)
    result = _libc.syscall(ctypes.c_long(number), *words)
    if result == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def verdict(action):
    try:
        action()
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))
    return "ok"


def attempt(action, *refusals):
    """Prints `ok` and ends with 0, or prints the error and ends with 1. An error among `refusals`
    is printed as `refused`, for calls whose refusal has more than one right form."""
    result = verdict(action)
    print("refused" if result in refusals else result)
    sys.exit(0 if result == "ok" else 1)


def others():
    """The other processes that can be seen: those of the sandbox, a handful. Were they those of the
    machine, what a row does to them would do harm, so it ends here instead."""
    found = [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]
    if len(found) > 10:
        sys.exit("%d processes are in sight" % len(found))
    return found


def opens(path, flags):
    os.close(os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK))
