//! Scripts to try: from a small grammar, then with a few bytes changed.

/// Makes scripts, the same ones for the same seed.
pub(crate) struct Generator {
    state: u64,
}

const NAMES: [&str; 22] = [
    "git",
    "apple",
    "cat",
    "ls",
    "make",
    "cargo",
    "grep",
    "'git'",
    "\"apple\"",
    "g'i't",
    "\\git",
    "'if'",
    "\\time",
    "a.b",
    "x-y",
    "echo",
    "true",
    ":",
    "test",
    "printf",
    "cd ./a",
    "git",
];

/// Builtins of any of the shells, for what their arguments may do.
const BUILTINS: [&str; 60] = [
    "test", "printf", "echo", "print", "exit", "return", "break", "continue", "shift", "wait", "jobs",
    "type", "which", "whence", "umask", "ulimit", "pwd", "cd", "pushd", "popd", "dirs", "times", "true",
    "false", ":", "caller", "help", "command", "set", "where", "unset", "export", "typeset", "let", "read",
    "hash", "trap", "eval", "alias", "history", "fc", "getconf", "sleep", "cat", "logout", "disown",
    "rehash", "log", "limit", "bindkey", "enable", "realpath", "mknod", "rename", "chdir", "login", "local",
    "noglob", "bye", "zstyle",
];

const WORDS: [&str; 51] = [
    "a",
    "-rf",
    "--x=y",
    "x.txt",
    "a/b",
    "'a b'",
    "\"c d\"",
    "''",
    "\"\"",
    "-g'*.py'",
    "1",
    "2",
    "a\\ b",
    "\\;",
    "{}",
    "+",
    "stash@{0}",
    "HEAD~1",
    "HEAD^",
    "a#b",
    "=x",
    "a=b",
    "%s",
    "%1",
    "@x",
    "!x",
    "!",
    "if",
    "do",
    "in",
    "-",
    "--",
    ".",
    "..",
    "~",
    "*",
    "\"\\$x\"",
    "\"a\\b\"",
    "'a'\"b\"c",
    "'$(apple)'",
    "'a[$(apple)]'",
    "'PIPESTATUS[$(apple)]'",
    "'path[$(apple)]'",
    "-eq",
    "\"a'b\"",
    "\\'",
    "'\n'",
    "\u{e9}",
    "\u{e0}",
    "'\u{20ac}'",
    "-v",
];

const REDIRECTIONS: [&str; 21] = [
    ">f",
    "> f",
    ">>f",
    ">|f",
    "2>/dev/null",
    ">/dev/null",
    "2>&1",
    ">&2",
    "2>&-",
    "<f",
    "</dev/null",
    "&>f",
    "&>>f",
    "2&>f",
    "2>f",
    "1>&2",
    "'2'>f",
    "12>f",
    ">!f",
    "<>f",
    ">&f",
];

const OPERATORS: [&str; 16] = [
    " && ",
    " || ",
    "; ",
    " | ",
    "\n",
    "&&",
    "||",
    ";",
    "|",
    " &&\n",
    " |\n",
    " # c\n",
    "\n\n",
    " \\\n&& ",
    " ;\n",
    " && # c\n",
];

const MUTATIONS: [&str; 64] = [
    "'", "\"", "\\", "\\\n", "\n", " ", "\t", ";", "&", "|", "<", ">", "(", ")", "{", "}", "[", "]", "$",
    "`", "*", "?", "~", "^", "#", "=", "!", "%", "@", "+", "-", ".", ",", ":", "0", "2", "a", "A", "_", "/",
    "\r", "\u{b}", "\u{c}", "\u{1}", "\u{7f}", "\u{85}", "\u{a0}", "\u{e9}", "\u{2003}", "$(", "${", "$'",
    "$\"", "<<", "<<<", "&>", "|&", "=(", "!(", "if ", "then ", "- ", "time ", "'\u{1}'",
];

/// What a script may stand in.
const WRAPPINGS: [[&str; 2]; 40] = [
    ["(", ")"],
    ["( ", "\n)"],
    ["{ ", "; }"],
    ["{\n", "\n}"],
    ["if true; then ", "; fi"],
    ["if ", "; then :; fi"],
    ["if false; then :; else ", "; fi"],
    ["for i in a; do ", "; done"],
    ["while ", "; do break; done"],
    ["until true; do :; done; ", ""],
    ["case x in x) ", ";; esac"],
    ["case x in (x) ", ";; esac"],
    ["case x in y) git;; x|z) ", "\n;; esac"],
    ["f() { ", "; }; f"],
    ["f() ( ", " ); f"],
    ["! ", ""],
    ["X=1 ", ""],
    ["X=$(", ")"],
    ["echo $(", ")"],
    ["echo \"$(", ")\""],
    ["echo \"a `", "` b\""],
    ["echo `", "`"],
    ["echo ${X:-$(", ")}"],
    ["echo \"${X:-`", "`}\""],
    ["echo $((1+$(", ")))"],
    ["cat <<E\n$(", ")\nE\n"],
    ["cat <<-E\n\t`", "`\n\tE\n"],
    ["cat <<'E' && ", "\n don't $(\nE\n"],
    ["cat <<E\nit's \" $(", ") \nE\n"],
    ["", " &"],
    ["", " || ls"],
    ["# it's\n", ""],
    ["echo 'a\n", "' ; git"],
    [">f ", ""],
    ["2>&1 ", ""],
    ["echo \\\n $(", ")"],
    ["echo \"\\\"$(", ")\\\"\""],
    ["X=a\\ b ", ""],
    ["echo a\\'$(", ")\\'"],
    ["true && ", " | cat"],
];

impl Generator {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed | 1 }
    }

    /// xorshift64*.
    fn next(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next()).unwrap() % limit
    }

    pub(crate) fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    /// The next script.
    pub(crate) fn script(&mut self) -> String {
        let mut script = String::new();
        for part in 0..=self.below(3) {
            if part > 0 {
                script.push_str(self.pick(&OPERATORS));
            }
            self.command(&mut script);
        }
        for _ in 0..self.below(3) {
            self.mutate(&mut script);
        }
        script
    }

    /// The next script that is more than plain: what it starts must still be found in it.
    pub(crate) fn structured(&mut self) -> String {
        let mut script = String::new();
        for _ in 0..=self.below(2) {
            let mut inner = String::new();
            self.simple(&mut inner);
            for _ in 0..=self.below(2) {
                let [before, after] = WRAPPINGS[self.below(WRAPPINGS.len())];
                inner = format!("{before}{inner}{after}");
            }
            script.push_str(&inner);
            script.push_str(self.pick(&["\n", "\n", " && ", "; ", " | cat\n"]));
        }
        if self.below(2) == 0 {
            self.mutate(&mut script);
        }
        script
    }

    /// A command without builtins that run their arguments: those are somebody else's to look through.
    fn simple(&mut self, script: &mut String) {
        script.push_str(self.pick(&NAMES));
        for _ in 0..self.below(4) {
            script.push(' ');
            script.push_str(self.pick(&WORDS));
            if self.below(6) == 0 {
                script.push_str(self.pick(&[
                    "$X",
                    "\"$X\"",
                    "$(ls a)",
                    "`ls b`",
                    "\"$(make \"c\")\"",
                    "${X:-$(ls)}",
                ]));
            }
        }
        if self.below(6) == 0 {
            script.push_str(self.pick(&REDIRECTIONS));
        }
    }

    fn command(&mut self, script: &mut String) {
        if self.below(12) == 0 {
            script.push_str(self.pick(&REDIRECTIONS));
            script.push(' ');
        }
        script.push_str(if self.below(5) == 0 { self.pick(&BUILTINS) } else { self.pick(&NAMES) });
        for _ in 0..self.below(4) {
            script.push_str(self.pick(&[" ", " ", " ", "\t", " \\\n "]));
            script.push_str(self.pick(&WORDS));
        }
        if self.below(4) == 0 {
            script.push_str(self.pick(&[" ", ""]));
            script.push_str(self.pick(&REDIRECTIONS));
        }
    }

    /// Inserts, removes or repeats something somewhere.
    fn mutate(&mut self, script: &mut String) {
        let places: Vec<usize> = script.char_indices().map(|(at, _)| at).chain([script.len()]).collect();
        let at = places[self.below(places.len())];
        match self.below(4) {
            0 if at < script.len() => {
                script.remove(at);
            }
            1 => script.truncate(at),
            _ => script.insert_str(at, self.pick(&MUTATIONS)),
        }
    }
}
