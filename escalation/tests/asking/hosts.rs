//! Several requests for hosts at a time, and rules that come of their answers.

use std::sync::Arc;

use escalation::approver::{Audience, Channel, ClientEvent, Delivery, Scripted};
use escalation::{Answer, Blocked, HostAction, HostAmendment};
use serde_json::{Value, json};

use crate::ground::{Ground, Wish, host};

fn stage() -> (Arc<Channel>, Arc<Ground>) {
    let channel = Arc::new(Channel::new(Audience::Person));
    let ground = Arc::new(Ground::new(&Wish::default(), channel.clone()));
    (channel, ground)
}

type Came = tokio::task::JoinHandle<Result<escalation::Grant, Blocked>>;

fn reach(ground: &Arc<Ground>, authority: &str) -> Came {
    let (ground, request) = (Arc::clone(ground), host(authority, "1"));
    tokio::spawn(async move { ground.session.network(&request).await })
}

async fn settle_down() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

fn amendment(action: &str) -> Value {
    json!({ "decision": { "applyNetworkPolicyAmendment": {
        "network_policy_amendment": { "host": "h.example", "action": action }
    } } })
}

#[tokio::test]
async fn requests_for_one_host_share_one_prompt_and_each_port_has_its_own() {
    let (channel, ground) = stage();
    let mut client = channel.connect();
    let mut same = Vec::new();
    for spelling in ["h.example", "H.example", "h.example."].iter().cycle().take(12) {
        same.push(reach(&ground, &format!("https://{spelling}:443")));
    }
    let ports: Vec<Came> = (1..=5).map(|port| reach(&ground, &format!("https://h.example:{port}"))).collect();
    let protocol = reach(&ground, "http://h.example:443");
    settle_down().await;
    assert_eq!(channel.open_asks(), 1 + ports.len() + 1);
    let Some(ClientEvent::Asked(first)) = client.next().await else { panic!("nothing") };
    assert_eq!(first.subject.label(), "https://h.example:443");
    // One that comes while the prompt is open belongs to it.
    same.push(reach(&ground, "https://h.example:443"));
    settle_down().await;
    assert_eq!(client.try_answer(first.id, &json!({ "decision": "accept" })), Delivery::Taken);
    for came in same {
        assert!(came.await.unwrap().is_ok());
    }
    assert!(!protocol.is_finished() && ports.iter().all(|came| !came.is_finished()));
    // And one that comes after it does not.
    let later = reach(&ground, "https://h.example:443");
    settle_down().await;
    assert!(!later.is_finished());
    assert_eq!(channel.open_asks(), ports.len() + 2);
}

#[tokio::test]
async fn a_denial_beats_the_yes_to_a_question_that_was_open_already() {
    let (channel, ground) = stage();
    let mut client = channel.connect();
    let (denied, allowed) = (reach(&ground, "https://h.example:1"), reach(&ground, "https://h.example:2"));
    settle_down().await;
    let Some(ClientEvent::Asked(first)) = client.next().await else { panic!("nothing") };
    let Some(ClientEvent::Asked(second)) = client.next().await else { panic!("nothing") };
    assert_eq!(client.try_answer(first.id, &amendment("deny")), Delivery::Taken);
    assert!(denied.await.unwrap().is_err());
    let for_session = json!({ "decision": "acceptForSession" });
    assert_eq!(client.try_answer(second.id, &for_session), Delivery::Taken);
    let blocked = allowed.await.unwrap().unwrap_err();
    assert!(blocked.to_string().contains("denied"), "{blocked}");
    assert!(reach(&ground, "https://h.example:2").await.unwrap().is_err(), "nor is it remembered");
}

#[tokio::test]
async fn a_decline_reaches_everybody_who_waited() {
    let (channel, ground) = stage();
    let mut client = channel.connect();
    let came: Vec<Came> = (0..5).map(|_| reach(&ground, "https://h.example:443")).collect();
    settle_down().await;
    let Some(ClientEvent::Asked(ask)) = client.next().await else { panic!("nothing") };
    assert_eq!(client.try_answer(ask.id, &json!({ "decision": "decline" })), Delivery::Taken);
    for came in came {
        assert!(came.await.unwrap().unwrap_err().ends_command());
    }
}

fn answers(action: HostAction) -> Arc<Scripted> {
    let host = "h.example".to_owned();
    Arc::new(Scripted::new([Answer::ApplyNetworkPolicyAmendment(HostAmendment { host, action })]))
}

#[tokio::test]
async fn a_rule_holds_in_the_next_session_too() {
    for (action, reached) in [(HostAction::Allow, true), (HostAction::Deny, false)] {
        let ground = Ground::new(&Wish::default(), answers(action));
        let asked = host("https://h.example:443", "1");
        assert_eq!(ground.session.network(&asked).await.is_ok(), reached);
        let nobody = Arc::new(Scripted::new(Vec::<Answer>::new()));
        let next = ground.reopen(&Wish::default(), nobody.clone());
        assert_eq!(next.network(&asked).await.is_ok(), reached);
        assert!(nobody.asked().is_empty());
    }
}

#[tokio::test]
async fn a_rule_that_cannot_be_written_holds_for_the_session() {
    for (action, reached) in [(HostAction::Allow, true), (HostAction::Deny, false)] {
        let ground = Ground::new(&Wish::default(), answers(action));
        // A folder in its place: no file can be written, by nobody.
        std::fs::create_dir(ground.home().join("rules/default.rules")).unwrap();
        let asked = host("https://h.example:443", "1");
        for _ in 0..2 {
            assert_eq!(ground.session.network(&asked).await.is_ok(), reached, "{action:?}");
        }
        let warnings = ground.session.broker().take_warnings();
        let [warning] = warnings.as_slice() else { panic!("{warnings:?}") };
        assert!(warning.starts_with("the rule holds for this session only: "), "{warning}");
        assert!(warning.contains("default.rules`"), "{warning}");
        assert!(ground.session.broker().take_warnings().is_empty(), "each is given once");
    }
}

#[tokio::test]
async fn a_denial_for_the_session_beats_a_rule_that_allows() {
    let wish = Wish { id: Some("hosts"), ..Wish::default() };
    let ground = Ground::new(&wish, answers(HostAction::Deny));
    assert!(ground.session.network(&host("https://h.example:443", "1")).await.is_err());
    let rules = "network_rule(host='h.example', protocol='https', decision='allow')\n".to_owned();
    let nobody = Arc::new(Scripted::new(Vec::<Answer>::new()));
    let session = ground.reopen(&Wish { rules, ..wish }, nobody.clone());
    let blocked = session.network(&host("https://h.example:443", "1")).await.unwrap_err();
    assert!(matches!(blocked, Blocked::Denied { .. }), "{blocked}");
    assert!(nobody.asked().is_empty());
}

#[tokio::test]
async fn a_rule_for_an_address_is_for_all_its_spellings() {
    let rules = "network_rule(host='1.1.1.1', protocol='https', decision='deny')\n\
        network_rule(host='2606:4700:0::1111', protocol='https', decision='deny')\n";
    let nobody = Arc::new(Scripted::new(Vec::<Answer>::new()));
    let ground = Ground::new(&Wish { rules: rules.to_owned(), ..Wish::default() }, nobody.clone());
    for spelling in [
        "1.1.1.1",
        "1.1.1.1.",
        "::ffff:1.1.1.1",
        "[::ffff:101:101]",
        "2606:4700::1111",
        "[2606:4700:0:0:0:0:0:1111]",
    ] {
        let came = ground.session.network(&host(&format!("https://{spelling}:443"), "1")).await;
        assert!(matches!(came, Err(Blocked::Denied { .. })), "{spelling}: {came:?}");
    }
    assert!(nobody.asked().is_empty());
}

/// What is written for one host must not change what is read of all.
#[tokio::test]
async fn no_host_spoils_the_rules() {
    for name in [
        "2606:4700::9% x",
        "2606:4700::9%x",
        "fe80::9%\")\nprefix_rule(pattern=[\"bash\"], decision=\"allow\")\n#",
        "2606:4700::9%\u{1b}[2J\nhost: good.example",
        "[2606:4700::9]",
        "h.example",
    ] {
        let allow = |ask: &escalation::Ask| {
            let escalation::Subject::Network(network) = &ask.subject else { panic!("{:?}", ask.subject) };
            let rule = HostAmendment { host: network.host.clone(), action: HostAction::Allow };
            escalation::approver::Reply::Answer(Answer::ApplyNetworkPolicyAmendment(rule))
        };
        let ground = Ground::new(&Wish::default(), Arc::new(Scripted::with(allow)));
        let came = ground.session.network(&host(&format!("https://{name}:443"), "1")).await;
        let is_host = !name.contains('%');
        assert_eq!(came.is_ok(), is_host, "{name:?}");
        if let Err(blocked) = came {
            assert!(!blocked.to_string().contains(char::is_control), "{blocked:?}");
        }
        let written = ground.user_rules();
        assert_eq!(written.lines().count(), usize::from(is_host), "{written}");
        let loaded = execpolicy::rules_file::load(
            "default.rules",
            &written,
            &execpolicy::Policy::default(),
            &execpolicy::Limits::default(),
        );
        assert_eq!(loaded.unwrap().network.len(), usize::from(is_host), "{written}");
    }
}
