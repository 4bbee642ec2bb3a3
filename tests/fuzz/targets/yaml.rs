//! Whatever a file holds, it is read as a tree whose places are in the file, or refused with such a place: as a mapping
//! file, and as a setting.

use serde_json::Value;
use throughline::catalog::spec::{ProviderSpec, ResourceSpec};
use throughline::catalog::{Node, NodeKind, Problem, structure};
use throughline::config::Config;

pub fn holds(data: &[u8]) {
    let text = super::text(data);
    // YAML ends lines at other signs, too.
    let lines =
        1 + text.chars().filter(|sign| matches!(sign, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')).count();
    let in_file = |problem: &Problem| {
        assert_eq!(&*problem.file, "acme/contacts.yaml");
        assert!(problem.line <= lines as u64 + 1, "line {} of {lines}", problem.line);
        assert!(!problem.message.is_empty());
    };
    match Node::parse("acme/contacts.yaml", &text) {
        Err(problem) => in_file(&problem),
        Ok(node) => {
            places(&node, lines as u64);
            let value = node.to_value();
            assert_eq!(Node::of("other", &value).to_value(), value);
            let written = serde_json::to_string(&value).expect("JSON");
            assert_eq!(serde_json::from_str::<Value>(&written).expect("JSON"), value, "numbers keep their digits");
            for problems in [structure::read::<ResourceSpec>(&node).err(), structure::read::<ProviderSpec>(&node).err()]
            {
                assert!(problems.as_ref().is_none_or(|problems| !problems.is_empty()), "refused without a reason");
                problems.iter().flatten().for_each(in_file);
            }
        }
    }
    secret_is_kept(&text);
    for name in ["THROUGHLINE_UPSTREAM", "THROUGHLINE_PROVIDERS", "THROUGHLINE_LISTEN"] {
        if let Err(faults) = Config::load(None, [(name.to_owned(), text.clone().into_owned())]) {
            assert!(!faults.is_empty() && faults.iter().all(|fault| !fault.is_empty()), "refused without a reason");
        }
    }
}

/// Whatever is wrong with a secret, it is not repeated. Texts that are no YAML at all are told with what is wrong in them.
fn secret_is_kept(text: &str) {
    let name = "THROUGHLINE_PROVIDERS__ACME__CLIENT_SECRET".to_owned();
    let is_plain = text.len() >= 8 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".+-_".contains(&byte));
    if let (true, Err(faults)) = (is_plain, Config::load(None, [(name, text.to_owned())])) {
        assert!(!faults.iter().any(|fault| fault.contains(text)), "a secret is printed: {faults:?}");
    }
}

fn places(node: &Node, lines: u64) {
    assert!((1..=lines + 1).contains(&node.line), "line {} of {lines}", node.line);
    match &node.kind {
        NodeKind::Scalar(_) => {}
        NodeKind::List(list) => list.iter().for_each(|node| places(node, lines)),
        NodeKind::Map(map) => map.values().for_each(|node| places(node, lines)),
    }
}
