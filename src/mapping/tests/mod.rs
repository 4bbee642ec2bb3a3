//! Both engines side by side: equal results, the same refusals, and nothing that brings the process down.

mod hostile;
mod styles;

use super::*;
use serde_json::{Value, json};
use std::sync::Arc;

const BOTH: [Engine; 2] = [Engine::Core, Engine::Rs];

fn styles() -> Arc<Styles> {
    let style = styles::rows();
    let mut map = std::collections::BTreeMap::new();
    map.insert("rows".to_owned(), style);
    Arc::new(Styles(map))
}

fn run(engine: Engine, source: &str, input: &Value) -> Result<Option<Value>, Problem> {
    let vars = Vars::none().with("status", json!(200)).with("now", json!("2026-09-02T10:00:00Z")).styled(styles());
    Expression::compile(source, engine)?.evaluate(
        input,
        &vars,
        &Limits { time: std::time::Duration::from_secs(2), ..Limits::default() },
    )
}

#[test]
fn both_engines_agree() {
    let input: Value = serde_json::from_str(
        r#"{"a":1,"b":{"c":"x","n":null,"l":[1,2,3]},"one":[{"v":5}],"s":"ab;cd","price":12500.10,"huge":1e400,
            "text":"quote \" back \\ slash / nul \u0000 tab \t bell \u0007 \u2028 é 𝄞 {on}","list":[{"k":"x","v":1},{"k":"y","v":[2,3]}],
            "empty":[],"neg":-4.5,"tiny":1e-320,"o":{"a":1,"b":null,"c":"","d":{}},"big":6493490000001291001,
            "":"no name","conditions":{"any":[{"all":[{"on":"A","op":"eq","value":"O'B"}]}]}}"#,
    )
    .expect("json");
    let mut differences = Vec::new();
    // where the result is null here, it is "no value"
    for (source, expected) in [
        ("a", json!(1)),
        ("a + 1.5", json!(2.5)),
        ("6/3", json!(2)),
        ("b.c & \"!\"", json!("x!")),
        ("missing", Value::Null),
        ("missing.deeper[0]", Value::Null),
        ("$exists(b.n)", json!(true)),
        ("$exists(missing)", json!(false)),
        ("{\"a\": missing, \"b\": a}", json!({"b": 1})),
        ("one.v", json!(5)),
        ("one", json!([{"v": 5}])),
        ("$list(one.v)", json!([5])),
        ("$list(missing)", json!([])),
        ("$list(b.n)", json!([])),
        ("$list(b.l)", json!([1, 2, 3])),
        ("{\"l\": $list(a)}", json!({"l": [1]})),
        ("$list(list[k=\"x\"])", json!([{"k": "x", "v": 1}])),
        ("list.v", json!([1, 2, 3])),
        ("list[k=\"y\"].v", json!([2, 3])),
        ("text", json!("quote \" back \\ slash / nul \u{0} tab \t bell \u{7} \u{2028} é 𝄞 {on}")),
        ("huge", json!("1e+400")),
        ("neg", json!(-4.5)),
        ("$.``", json!("no name")),
        ("$status = 200 ? \"ok\" : \"no\"", json!("ok")),
        ("$now", json!("2026-09-02T10:00:00Z")),
        ("$split(s, \";\")", json!(["ab", "cd"])),
        ("$sum(b.l)", json!(6)),
        ("$count(empty)", json!(0)),
        ("$map(b.l, function($x){$x * 2})", json!([2, 4, 6])),
        ("$filter(b.l, function($x){$x > 2})", json!(3)),
        ("($f := function($x){$x & \"!\"}; $f(s))", json!("ab;cd!")),
        ("$omit(o, [\"b\", \"c\"])", json!({"a": 1, "d": {}})),
        ("$omit(o, \"a\")", json!({"b": null, "c": "", "d": {}})),
        ("$pick(o, [\"a\"])", json!({"a": 1})),
        ("$pick(missing, \"a\")", Value::Null),
        ("$compact(o)", json!({"a": 1})),
        ("$compact([1, \"\", null])", json!([1])),
        ("$firstOf([o.b, o.c, missing, s])", json!("ab;cd")),
        ("$firstOf(missing)", Value::Null),
        ("$kind(a) & $kind(b) & $kind(s) & $kind(empty) & $kind(b.n)", json!("numberobjectstringarraynull")),
        ("$kind(missing)", Value::Null),
        ("$startsWith(s, \"ab\")", json!(true)),
        ("$endsWith(s, \"ab\")", json!(false)),
        ("$regex(s, \"(\\\\w+);(\\\\w+)\", 2)", json!("cd")),
        ("$regex(s, \"^..\")", json!("ab")),
        ("$regex(s, \"zz\")", Value::Null),
        ("$base64(\"über\")", json!("w7xiZXI=")),
        ("$base64url(\"??>>\")", json!("Pz8-Pg==")),
        ("$unbase64(\"w7xiZXI\")", json!("über")),
        ("$instant(1756684800, \"s\")", json!("2025-09-01T00:00:00Z")),
        ("$instant(1756684800123)", json!("2025-09-01T00:00:00.123Z")),
        ("$instant(\"2026-09-02T10:00:01.000+0200\")", json!("2026-09-02T08:00:01.000Z")),
        ("$instant(missing)", Value::Null),
        ("$epoch(\"2025-09-01T00:00:00Z\", \"s\")", json!(1756684800)),
        ("$date(\"2026-09-02 10:00\")", json!("2026-09-02")),
        ("$pairs(\"a=1; b=\\\"x;y\\\", c\")", json!({"a": 1, "b": "x;y", "c": true})),
        (
            "$structured('\"day\";r=5;t=30, min;x=?0')",
            json!([{"name": "day", "r": 5, "t": 30}, {"name": "min", "x": false}]),
        ),
        ("$structured('\"day\";r=5')", json!([{"name": "day", "r": 5}])),
        ("$structured(\"=\")", Value::Null),
        ("$unjson($json(b.l))", json!([1, 2, 3])),
        ("$phone(\" +49 (0)30-1234\")", json!("+490301234")),
        ("$sha256hex(\"abc\")", json!("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")),
        ("$md5hex(\"abc\")", json!("900150983cd24fb0d6963f7d28e17f72")),
        ("$decodeUrl(\"a%20b%C3%BC+c\")", json!("a bü+c")),
        (
            "$all([{\"on\": \"A\", \"op\": \"eq\", \"value\": 1}])",
            json!({"any": [{"all": [{"on": "A", "op": "eq", "value": 1}]}]}),
        ),
        ("$where(\"rows\", conditions)", json!("A = 'O\\'B'")),
        ("$order(\"rows\", [{\"on\": \"A\", \"desc\": true}])", json!("A DESC")),
        ("$literal(\"rows\", \"5.0\", \"number\")", json!("5.0")),
        (
            "$query(\"rows\", {\"select\": [\"Id\", \"A\"], \"from\": \"T\", \"where\": conditions, \"limit\": 2})",
            json!("SELECT Id, A FROM T WHERE A = 'O\\'B' LIMIT 2"),
        ),
        ("$query(\"rows\", {\"select\": [\"Id\"], \"limit\": 2})", Value::Null),
        ("$where(\"rows\", missing)", Value::Null),
    ] {
        for engine in BOTH {
            let result = run(engine, source, &input).map(Option::unwrap_or_default);
            if result.as_ref() != Ok(&expected) {
                differences.push(format!("{engine:?} {source}: {result:?} instead of {expected}"));
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn null_is_a_value_and_nothing_is_none() {
    for engine in BOTH {
        assert_eq!(run(engine, "n", &json!({"n": null})).expect("runs"), Some(Value::Null));
        assert_eq!(run(engine, "m", &json!({"n": null})).expect("runs"), None);
        assert_eq!(run(engine, "$", &Value::Null).expect("runs"), Some(Value::Null));
    }
}

#[test]
fn arrays_as_input_are_the_context() {
    for engine in BOTH {
        let input = json!([{"v": 1}, {"v": 2}]);
        assert_eq!(run(engine, "v", &input).expect("runs"), Some(json!([1, 2])), "{engine:?}");
        assert_eq!(run(engine, "$[0].v", &input).expect("runs"), Some(json!(1)), "{engine:?}");
        assert_eq!(run(engine, "$count($)", &input).expect("runs"), Some(json!(2)), "{engine:?}");
        assert_eq!(run(engine, "$", &json!([7])).expect("runs"), Some(json!([7])), "{engine:?}");
    }
}

#[test]
fn functions_and_failures_are_problems() {
    for engine in BOTH {
        for source in [
            "function($x){$x}",
            "$uppercase",
            "\"a\" + 1",
            "$error(\"no\")",
            "$where(\"nope\", a)",
            "$regex(\"a\", \"(\")",
            "$unjson(\"{\")",
        ] {
            assert!(run(engine, source, &json!({"a": {"any": []}})).is_err(), "{engine:?} {source}");
        }
        let long = "x".repeat(500);
        let problem = run(engine, "a + 1", &json!({ "a": long })).expect_err("text plus number");
        assert!(problem.message.len() < 200, "{problem}");
    }
}

#[test]
fn evaluations_leave_nothing_behind() {
    let limits = Limits::default();
    for engine in BOTH {
        let leak = Expression::compile("($x := 5; $x)", engine).expect("compiles");
        assert_eq!(leak.evaluate(&Value::Null, &Vars::none(), &limits), Ok(Some(json!(5))));
        let free = Expression::compile("$x", engine).expect("compiles");
        assert_eq!(free.evaluate(&Value::Null, &Vars::none(), &limits), Ok(None), "{engine:?}");
        let styled = Expression::compile("$literal(\"rows\", \"a\", \"string\")", engine).expect("compiles");
        assert!(styled.evaluate(&Value::Null, &Vars::none().styled(styles()), &limits).is_ok());
        assert!(styled.evaluate(&Value::Null, &Vars::none(), &limits).is_err(), "{engine:?}");
    }
}

#[test]
fn expressions_are_shared_between_threads() {
    let expression = Expression::compile("$uppercase(a) & $v", Engine::Core).expect("compiles");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let result = expression.evaluate(
                        &json!({"a": "x"}),
                        &Vars::none().with("v", json!("y")),
                        &Limits::default(),
                    );
                    assert_eq!(result, Ok(Some(json!("Xy"))));
                }
            });
        }
    });
}
