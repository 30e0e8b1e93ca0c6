//! What formatting does to a file, and what it leaves alone.

use execpolicy::format::format_file;

#[test]
fn formatted() {
    let text = r#"# Why this file is here.

prefix_rule( ['git',"status"] )
prefix_rule(justification = 'say "why"', pattern=["git", ["push", 'fetch']], decision='prompt')   # trailing
prefix_rule(
    pattern=["short"],
)
prefix_rule(
    # a comment inside
    pattern=['kept'],
)
prefix_rule(pattern=["cargo", ["build", "check", "test"]], decision="allow", match=["cargo build", "cargo test --release"], not_match=["cargo publish"])
prefix_rule(pattern=["x"], match=["x one one one one one", "x two two two two two", "x three three three three three", "x four"])
prefix_rule(['a']); network_rule('h', 'http', 'deny')
host_executable('git', ['/usr/bin/git'])
WORDS = ['a',  'b']
prefix_rule(pattern=['named', WORDS])
for word in ['c']:
    prefix_rule(pattern=[word,  'in a loop'])
prefix_rule(pattern=[r'raw\d', '''it's''', "\u202e"])
"#;
    let formatted = format_file("a.rules", text).unwrap();
    insta::assert_snapshot!(formatted);
    assert_eq!(format_file("a.rules", &formatted).unwrap(), formatted);
}

#[test]
fn line_breaks_stay_as_they_are() {
    let long = "x".repeat(120);
    let text = format!("# a\r\nprefix_rule(['{long}'])\r\n# b");
    let formatted = format_file("a.rules", &text).unwrap();
    assert_eq!(
        formatted,
        format!("# a\r\nprefix_rule(\r\n    pattern=[\r\n        \"{long}\",\r\n    ],\r\n)\r\n# b")
    );
    assert_eq!(format_file("a.rules", &formatted).unwrap(), formatted);
}

#[test]
fn a_function_of_the_same_name_is_not_taken_for_ours() {
    for text in [
        "def prefix_rule(decision, pattern):\n    pass\nprefix_rule('a',  'b')\n",
        "if True:\n    network_rule = len\nnetwork_rule(['a',  'b'])\n",
    ] {
        assert_eq!(format_file("a.rules", text).unwrap(), text);
    }
}

#[test]
fn a_file_that_does_not_load_is_not_formatted() {
    assert!(format_file("a.rules", "prefix_rule([ )").is_err());
    assert!(format_file("a.rules", "prefix_rule(pattern=['rm'],  decision='deny')").is_err());
}

#[test]
fn an_error_points_into_the_original() {
    let error = format_file("a.rules", "prefix_rule( [ 'a' ,\n 'b' ] )\nprefix_rule(['a'],\n\n  'deny')\n")
        .unwrap_err();
    assert_eq!((error.line, error.column), (5, 3), "{}", error.report());
}

#[test]
fn a_file_that_would_be_too_large_is_refused() {
    let text = "prefix_rule(['a'])\n".repeat(50_000);
    let error = format_file("a.rules", &text).unwrap_err();
    assert_eq!(error.message, "the formatted file would be larger than 1048576 bytes");
}
