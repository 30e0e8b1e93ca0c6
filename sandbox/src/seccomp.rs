//! The system-call filter: which calls fail inside, by architecture.
//!
//! What belongs here: the tables, each row with its reason, and their compilation to BPF. The filter
//! allows by default, because it is the second wall: namespaces and mounts decide which objects exist;
//! the filter takes away calls that reach around them (keyrings, io_uring, perf, new mount API), calls
//! with a history of kernel holes, and, with the network off, the whole socket family. seccomp(2).

use std::collections::BTreeMap;
use std::fmt;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, sock_filter,
};
use serde::{Deserialize, Serialize};

/// Which calls a run is left with.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Filter {
    /// No network: no socket but connected local pairs, no tracing.
    NetworkOff,
    /// The host's network: sockets work, except those that lead to the hypervisor.
    NetworkOn,
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NetworkOff => "network-off",
            Self::NetworkOn => "network-on",
        })
    }
}

/// Why the filter could not be built or put in place.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FilterError {
    /// There is no table for this machine, so nothing can be promised.
    #[error("no system-call table for the architecture `{0}`: only x86_64 and aarch64 are supported")]
    Architecture(&'static str),
    /// The compiler refused a row: a bug of ours.
    #[error("cannot compile the system-call filter")]
    Compile(#[source] seccompiler::Error),
    /// The kernel refused the program.
    #[error("the kernel refused the system-call filter")]
    Apply(#[source] seccompiler::Error),
}

/// Refused in every confined run: (call, why).
const ALWAYS: &[(i64, &str)] = &[
    // The rings run operations that this filter never sees.
    (libc::SYS_io_uring_setup, "runs system calls past the filter"),
    (libc::SYS_io_uring_enter, "runs system calls past the filter"),
    (libc::SYS_io_uring_register, "runs system calls past the filter"),
    // Keyrings are not namespaced by path or PID: the caller's session keyring would come along.
    (libc::SYS_keyctl, "host keyrings"),
    (libc::SYS_add_key, "host keyrings"),
    (libc::SYS_request_key, "host keyrings, and runs a helper on the host"),
    // Kernel introspection with a long record of privilege escalation.
    (libc::SYS_bpf, "loads code into the kernel"),
    (libc::SYS_perf_event_open, "observes the host, and a frequent kernel hole"),
    (libc::SYS_userfaultfd, "stalls the kernel at will, the usual lever of races"),
    (libc::SYS_kcmp, "compares kernel objects of processes"),
    (libc::SYS_lookup_dcookie, "kernel profiling"),
    (libc::SYS_syslog, "kernel log"),
    // Mounts are what the sandbox is made of.
    (libc::SYS_mount, "changes the view"),
    (libc::SYS_umount2, "uncovers what a mount hides"),
    (libc::SYS_pivot_root, "changes the view"),
    (libc::SYS_chroot, "changes the view"),
    (libc::SYS_open_tree, "new mount API"),
    (SYS_OPEN_TREE_ATTR, "new mount API"),
    (libc::SYS_move_mount, "new mount API"),
    (libc::SYS_fsopen, "new mount API"),
    (libc::SYS_fsconfig, "new mount API"),
    (libc::SYS_fsmount, "new mount API"),
    (libc::SYS_fspick, "new mount API"),
    (libc::SYS_mount_setattr, "new mount API"),
    (libc::SYS_setns, "enters other namespaces"),
    (libc::SYS_open_by_handle_at, "opens files past the view"),
    (libc::SYS_fanotify_init, "watches whole file systems"),
    // Host-wide state; all need capabilities too, so this only makes the surface smaller.
    (libc::SYS_kexec_load, "host-wide"),
    (libc::SYS_kexec_file_load, "host-wide"),
    (libc::SYS_init_module, "host-wide"),
    (libc::SYS_finit_module, "host-wide"),
    (libc::SYS_delete_module, "host-wide"),
    (libc::SYS_reboot, "host-wide"),
    (libc::SYS_swapon, "host-wide"),
    (libc::SYS_swapoff, "host-wide"),
    (libc::SYS_acct, "host-wide"),
    (libc::SYS_quotactl, "host-wide"),
    (libc::SYS_settimeofday, "host-wide"),
    (libc::SYS_clock_settime, "host-wide"),
    (libc::SYS_vhangup, "revokes a terminal"),
];

/// open_tree_attr(2), Linux 6.15: newer than the constants of libc. One number on all architectures.
const SYS_OPEN_TREE_ATTR: i64 = 467;

/// Calls that exist on one architecture only.
#[cfg(target_arch = "x86_64")]
const ALWAYS_HERE: &[(i64, &str)] = &[
    (libc::SYS_ioperm, "port access"),
    (libc::SYS_iopl, "port access"),
    (libc::SYS_modify_ldt, "segment tables, a frequent kernel hole"),
];
#[cfg(not(target_arch = "x86_64"))]
const ALWAYS_HERE: &[(i64, &str)] = &[];

/// Refused when the network is off. `sendmsg`, `recvmsg`, `recvfrom`, `read` and `write` stay, so that
/// connected pairs work; a socket that could name a peer of its own is refused at `socket` (see
/// [`local_stream_sockets_only`]). More calls are refused but for what pairs need: see
/// [`connected_pairs_work`].
const NETWORK_OFF: &[(i64, &str)] = &[
    (libc::SYS_connect, "reaches a peer by name, local services of the host included"),
    (libc::SYS_accept, "serves peers"),
    (libc::SYS_accept4, "serves peers"),
    (libc::SYS_bind, "serves peers"),
    (libc::SYS_listen, "serves peers"),
    (libc::SYS_getpeername, "network state"),
    (libc::SYS_sendmmsg, "can name a peer"),
    (libc::SYS_recvmmsg, "network input"),
    (libc::SYS_setsockopt, "network state"),
    (libc::SYS_ptrace, "a traced child could be made to do anything the filter forgot"),
    (libc::SYS_process_vm_readv, "as ptrace"),
    (libc::SYS_process_vm_writev, "as ptrace"),
    (libc::SYS_pidfd_getfd, "as ptrace"),
    (libc::SYS_process_madvise, "as ptrace"),
];

/// Puts the filter on this thread and everything it starts, for good.
///
/// # Errors
/// [`FilterError`]; then nothing was installed, and the caller must not run the command.
pub(crate) fn restrict_self(filter: Filter) -> Result<(), FilterError> {
    let program = compile(filter)?;
    seccompiler::apply_filter(&program).map_err(FilterError::Apply)
}

/// The BPF program for this machine's architecture.
///
/// # Errors
/// [`FilterError::Architecture`] where there is no table; [`FilterError::Compile`] for a bug of ours.
pub fn compile(filter: Filter) -> Result<BpfProgram, FilterError> {
    let arch = target_arch()?;
    let program: BpfProgram = SeccompFilter::new(
        rules(filter).map_err(FilterError::Compile)?,
        SeccompAction::Allow,
        SeccompAction::Errno(EPERM),
        arch,
    )
    .and_then(TryInto::try_into)
    .map_err(|error| FilterError::Compile(error.into()))?;
    Ok(entry_gate().into_iter().chain(program).collect())
}

const EPERM: u32 = libc::EPERM.cast_unsigned();
const ENOSYS: u32 = libc::ENOSYS.cast_unsigned();

fn target_arch() -> Result<TargetArch, FilterError> {
    match std::env::consts::ARCH {
        "x86_64" => Ok(TargetArch::x86_64),
        "aarch64" => Ok(TargetArch::aarch64),
        other => Err(FilterError::Architecture(other)),
    }
}

/// What seccompiler's rows cannot say, in front of its program; a foreign architecture (`int 0x80` on
/// x86_64) is killed by seccompiler's own first check, which these instructions leave for it to make.
///
/// * x32: the same architecture token as x86_64 with bit 30 set in the call number, so that no row of
///   the table would match it. `ENOSYS`, as on a kernel without x32.
/// * clone3: its flags are in memory, where a filter cannot look. `ENOSYS` makes every C library fall
///   back to clone, whose flags are judged.
fn entry_gate() -> Vec<sock_filter> {
    // <linux/bpf_common.h>: BPF_LD|BPF_W|BPF_ABS, BPF_JMP|BPF_JGE|BPF_K, BPF_JMP|BPF_JEQ|BPF_K, BPF_RET|BPF_K.
    const LOAD: u16 = 0x20;
    const JUMP_GE: u16 = 0x35;
    const JUMP_EQ: u16 = 0x15;
    const RETURN: u16 = 0x06;
    // struct seccomp_data: `nr` is the first field.
    const OFFSET_NR: u32 = 0;
    const X32_BIT: u32 = 0x4000_0000;
    // clone3 has one number on all architectures (the unified table, Linux 5.3).
    const CLONE3: u32 = 435;
    let op = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    vec![
        op(LOAD, 0, 0, OFFSET_NR),
        op(JUMP_GE, 1, 0, X32_BIT),
        op(JUMP_EQ, 0, 1, CLONE3),
        op(RETURN, 0, 0, libc::SECCOMP_RET_ERRNO | ENOSYS),
    ]
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

fn rules(filter: Filter) -> Result<Rules, seccompiler::Error> {
    let mut rules: Rules = ALWAYS.iter().chain(ALWAYS_HERE).map(|(call, _)| (*call, Vec::new())).collect();
    no_user_namespaces(&mut rules)?;
    no_terminal_injection(&mut rules)?;
    no_leases(&mut rules)?;
    match filter {
        Filter::NetworkOff => {
            rules.extend(NETWORK_OFF.iter().map(|(call, _)| (*call, Vec::new())));
            local_stream_sockets_only(&mut rules)?;
            connected_pairs_work(&mut rules)?;
        }
        Filter::NetworkOn => no_vsock(&mut rules)?,
    }
    Ok(rules)
}

/// A nested user namespace gives capabilities over new kernel surface, and mounts with them.
fn no_user_namespaces(rules: &mut Rules) -> Result<(), seccompiler::Error> {
    let flag = u64::from(libc::CLONE_NEWUSER.cast_unsigned());
    let asks = || all_of([condition(0, SeccompCmpOp::MaskedEq(flag), flag)?]);
    rules.insert(libc::SYS_clone, vec![asks()?]);
    rules.insert(libc::SYS_unshare, vec![asks()?]);
    Ok(())
}

/// `TIOCSTI` types into a terminal; `TIOCLINUX` pastes into a console. ioctl_tty(2).
fn no_terminal_injection(rules: &mut Rules) -> Result<(), seccompiler::Error> {
    let requests = [0x5412, 0x541C];
    let rows = requests.map(|request| all_of([condition(1, SeccompCmpOp::Eq, request)?]));
    rules.insert(libc::SYS_ioctl, rows.into_iter().collect::<Result<_, _>>()?);
    Ok(())
}

/// A lease needs only an open file, also one that cannot be written: whoever wants to write to it then waits for the
/// holder, or is refused. `F_SETLEASE` of fcntl(2) takes one; its other commands stay.
fn no_leases(rules: &mut Rules) -> Result<(), seccompiler::Error> {
    const F_SETLEASE: u64 = libc::F_SETLEASE as u64;
    rules.insert(libc::SYS_fcntl, vec![all_of([condition(1, SeccompCmpOp::Eq, F_SETLEASE)?])?]);
    Ok(())
}

const AF_UNIX: u64 = libc::AF_UNIX as u64;
const AF_VSOCK: u64 = libc::AF_VSOCK as u64;

/// Only `AF_UNIX`, and of it only stream and seqpacket: those need connect to reach anyone, which is
/// refused. A datagram socket (or a raw one, which the kernel treats as datagram, unix(7)) can name
/// any socket file of the host in `sendmsg`, even one end of a pair, and the filter cannot see that name.
fn local_stream_sockets_only(rules: &mut Rules) -> Result<(), seccompiler::Error> {
    // The low bits are the type; SOCK_CLOEXEC and SOCK_NONBLOCK lie above. socket(2).
    const TYPE_MASK: u64 = 0xf;
    const DATAGRAM: u64 = libc::SOCK_DGRAM as u64;
    const RAW: u64 = libc::SOCK_RAW as u64;
    for call in [libc::SYS_socket, libc::SYS_socketpair] {
        let rows = vec![
            all_of([condition(0, SeccompCmpOp::Ne, AF_UNIX)?])?,
            all_of([condition(1, SeccompCmpOp::MaskedEq(TYPE_MASK), DATAGRAM)?])?,
            all_of([condition(1, SeccompCmpOp::MaskedEq(TYPE_MASK), RAW)?])?,
        ];
        rules.insert(call, rows);
    }
    Ok(())
}

/// What event loops do to the pairs that they wake themselves by, and to the pairs that are their children's
/// pipes: Python's asyncio sends without naming a peer; Node.js ends writing, and asks what a stream is (and
/// would silently drop the output if it were not told). All else of these calls is refused. `getsockname`
/// is left alone: a socket that cannot be bound has no name to tell.
fn connected_pairs_work(rules: &mut Rules) -> Result<(), seccompiler::Error> {
    const SHUT_WR: u64 = libc::SHUT_WR as u64;
    const SOL_SOCKET: u64 = libc::SOL_SOCKET as u64;
    const SO_TYPE: u64 = libc::SO_TYPE as u64;
    let names_a_peer = SeccompCondition::new(4, SeccompCmpArgLen::Qword, SeccompCmpOp::Ne, 0)
        .map_err(seccompiler::Error::from)?;
    rules.insert(libc::SYS_sendto, vec![all_of([names_a_peer])?]);
    rules.insert(libc::SYS_shutdown, vec![all_of([condition(1, SeccompCmpOp::Ne, SHUT_WR)?])?]);
    let other_level = all_of([condition(1, SeccompCmpOp::Ne, SOL_SOCKET)?])?;
    let other_option = all_of([condition(2, SeccompCmpOp::Ne, SO_TYPE)?])?;
    rules.insert(libc::SYS_getsockopt, vec![other_level, other_option]);
    Ok(())
}

/// vsock reaches the hypervisor, and under WSL2 the Windows side, past every network namespace.
fn no_vsock(rules: &mut Rules) -> Result<(), seccompiler::Error> {
    for call in [libc::SYS_socket, libc::SYS_socketpair] {
        rules.insert(call, vec![all_of([condition(0, SeccompCmpOp::Eq, AF_VSOCK)?])?]);
    }
    Ok(())
}

fn all_of<const N: usize>(conditions: [SeccompCondition; N]) -> Result<SeccompRule, seccompiler::Error> {
    SeccompRule::new(conditions.into()).map_err(Into::into)
}

/// A condition on the low 32 bits of an argument: the kernel reads all arguments named here as `int`
/// or drops the upper half, so comparing 64 bits would let junk above bit 31 past the filter.
fn condition(
    argument: u8,
    operator: SeccompCmpOp,
    value: u64,
) -> Result<SeccompCondition, seccompiler::Error> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value).map_err(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel is given, instruction by instruction: a change of the filter shows in review.
    #[cfg(target_arch = "x86_64")]
    #[test]
    fn the_program_is_the_reviewed_one() {
        for filter in [Filter::NetworkOff, Filter::NetworkOn] {
            let dump: String = compile(filter)
                .unwrap()
                .iter()
                .enumerate()
                .map(|(line, op)| {
                    format!("{line:>3} {:#04x} jt {} jf {} k {:#x}\n", op.code, op.jt, op.jf, op.k)
                })
                .collect();
            insta::assert_snapshot!(format!("filter_{filter}"), dump);
        }
    }

    #[test]
    fn no_call_is_listed_twice() {
        let mut seen = std::collections::BTreeSet::new();
        for (call, why) in ALWAYS.iter().chain(ALWAYS_HERE).chain(NETWORK_OFF) {
            assert!(seen.insert(call), "{call}: {why}");
            assert!(!why.is_empty());
        }
    }
}
