//! Programs of awk: which only print what they are given.

/// Words that start programs, read or write other files, show the environment or change what is read.
/// `SYMTAB` and `FUNCTAB` reach all of these under computed names (gawk manual, 7.5.2).
const REFUSED: [&str; 8] = ["system", "getline", "ENVIRON", "PROCINFO", "ARGV", "ARGC", "SYMTAB", "FUNCTAB"];

/// Whether `program` surely only prints to standard output.
///
/// Text is not told apart from code, so a harmless string can make a program refused, never the reverse.
pub(super) fn only_prints(program: &str) -> bool {
    // `@load`, `@include` and indirect calls of gawk; continued lines, which could split a word.
    !program.contains('@')
        && !program.contains("\\\n")
        && !program.contains("\\\r")
        && !REFUSED.iter().any(|word| program.contains(word))
        && pipes_are_or(program)
        && angles_compare(program)
}

/// Whether every `|` is half of an `||`: one alone is a pipe to or from a command.
fn pipes_are_or(program: &str) -> bool {
    program.split(|c| c != '|').all(|run| matches!(run.len(), 0 | 2))
}

/// Whether every `>` compares: it is `>=`, or stands before the first `print`, behind which it would redirect.
fn angles_compare(program: &str) -> bool {
    let printing = program.split_once("print").map_or("", |(_, rest)| rest);
    let mut rest = printing.chars().peekable();
    while let Some(c) = rest.next() {
        if c == '>' && rest.next_if_eq(&'=').is_none() {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::only_prints;

    #[test]
    fn programs_that_only_print() {
        for program in [
            "{print $1}",
            "NR>=10 && NR<=20 {print NR\": \"$0}",
            "NR > 5",
            "$1 > 2 || $2 > 3 { print }",
            "{ printf \"%s\\n\", $0 }",
            "{ print (NR >= 2) }",
        ] {
            assert!(only_prints(program), "{program}");
        }
    }

    #[test]
    fn programs_that_run_or_write() {
        for program in [
            "BEGIN{system(\"id\")}",
            "{print > \"out\"}",
            "{print >\"out\"}",
            "{print >> \"out\"}",
            "{print>>=\"out\"}",
            "{print | \"sh\"}",
            "{print |& \"sh\"}",
            "{print || \"x\" | \"sh\"}",
            "{\"id\" | getline x}",
            "BEGIN{while((getline l < \"/etc/shadow\")>0) print l}",
            "BEGIN{f=\"sys\" \"tem\"; @f(\"id\")}",
            "@load \"filefuncs\"",
            "BEGIN{ARGV[1]=\"/etc/shadow\"}",
            "{print ENVIRON[\"TOKEN\"]}",
            "BEGIN{SYMTAB[\"AR\" \"GC\"]=1}",
            "BEGIN{sys\\\ntem(\"id\")}",
            "NR>1{print > \"out\"}",
            "{printf(\"x\") > \"out\"}",
        ] {
            assert!(!only_prints(program), "{program}");
        }
    }
}
