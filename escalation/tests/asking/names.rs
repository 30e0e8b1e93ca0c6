//! The names that questions have: an answer to one never fits another.

use std::collections::BTreeSet;
use std::sync::Arc;

use escalation::approver::{Reply, Scripted};
use escalation::{Answer, Ask, Call, StdinRequest, SubcommandRequest};
use execpolicy::Placement;
use uuid::Uuid;

use crate::ground::{Ground, Nothing, Wish, absolute, host, turn};

fn asking(policy: &str) -> (Ground, Arc<Scripted>) {
    let approver = Arc::new(Scripted::with(|_| Reply::Answer(Answer::Accept)));
    (Ground::new(&Wish::policy(policy), approver.clone()), approver)
}

/// The item has been answered for when it starts a program, or is given input.
#[tokio::test]
async fn what_a_running_command_does_has_a_name_of_its_own() {
    let (ground, approver) = asking("\"untrusted\"");
    let call = || Call::new(&turn("1"), "item");
    assert!(ground.session.exec(&ground.script("touch x"), &mut Nothing).await.result.is_ok());
    for _ in 0..2 {
        let argv = vec!["touch".to_owned(), "x".to_owned()];
        let program = absolute("/usr/bin/touch".as_ref());
        let (cwd, parent) = (ground.project(), Placement::Inside);
        let subcommand = SubcommandRequest { call: call(), program, argv: argv.clone(), cwd, parent };
        assert!(ground.session.subcommand(&subcommand).await.is_ok());
        let (process, text) = ("7".to_owned(), "y".to_owned());
        let input = StdinRequest { call: call(), process, argv, placement: Placement::Inside, text };
        assert!(ground.session.write_stdin(&input).await.is_ok());
    }
    let asked = approver.asked();
    let [exec, inner @ ..] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!(exec.approval_id, None, "it is the item's own");
    let names: BTreeSet<Uuid> = inner.iter().map(|ask| ask.approval_id.unwrap()).collect();
    assert_eq!((inner.len(), names.len()), (4, 4));
    assert!(inner.iter().all(|ask| ask.call == call()));
}

/// `network#ENVIRONMENT#PROTOCOL#HOST#PORT#UUID`
#[tokio::test]
async fn a_question_about_a_host_is_an_item_of_its_own() {
    let (ground, approver) = asking("\"on-request\"");
    for authority in [
        "http://h.example:80",
        "https://h.example:443",
        "https://h.example:443",
        "socks5Tcp://h.example:22",
        "socks5Udp://h.example:53",
    ] {
        assert!(ground.session.network(&host(authority, "1")).await.is_ok(), "{authority}");
    }
    let item = |ask: &Arc<Ask>| -> (String, Uuid) {
        assert_eq!((ask.approval_id, &ask.call.turn), (None, &turn("1")));
        let (name, unique) = ask.call.item.rsplit_once('#').unwrap();
        (name.to_owned(), Uuid::parse_str(unique).unwrap())
    };
    let (names, unique): (Vec<String>, BTreeSet<Uuid>) = approver.asked().iter().map(item).unzip();
    assert_eq!(
        names,
        [
            "network#local#http#h.example#80",
            "network#local#https#h.example#443",
            "network#local#https#h.example#443",
            "network#local#socks5-tcp#h.example#22",
            "network#local#socks5-udp#h.example#53",
        ]
    );
    assert_eq!(unique.len(), names.len());
}
