//! What people read when a rule file is refused.

use execpolicy::rules_file::load;
use execpolicy::{Limits, Policy};
use serde::Deserialize;

#[derive(Deserialize)]
struct Cases {
    case: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    text: String,
}

#[test]
fn reports() {
    let cases: Cases = toml::from_str(include_str!("data/rules_errors.toml")).unwrap();
    let mut reports = String::new();
    for case in cases.case {
        let error = load("a.rules", &case.text, &Policy::default(), &Limits::default())
            .expect_err(&format!("{} is accepted", case.name));
        reports.push_str(&format!("# {}\n{}\n\n", case.name, error.report()));
    }
    insta::assert_snapshot!(reports);
}
