//! Expressions and inputs that want to take the process down. Each must end as a problem, soon.

use super::*;
use std::time::{Duration, Instant};

fn ends(engine: Engine, source: &str, input: &Value) -> Result<Option<Value>, Problem> {
    let start = Instant::now();
    let result = Expression::compile(source, engine)
        .and_then(|expression| expression.evaluate(input, &Vars::none(), &Limits::default()));
    // the machines of a build are slow and busy; what is at stake is "never"
    assert!(start.elapsed() < Duration::from_secs(4), "{engine:?} took {:?}: {source}", start.elapsed());
    result
}

#[test]
fn every_probe_ends() {
    let mut deep = json!(1);
    for _ in 0..600 {
        deep = json!([deep]);
    }
    let pathological = format!("{}!", "a".repeat(40));
    for engine in BOTH {
        for source in [
            "($f := function($x){$f($x + 1)}; $f(1))",
            "($f := function($x){1 + $f($x + 1)}; $f(1))",
            "($f := function($x){$map([1, 2], $f)}; $f(1))",
            "[1..9999999]",
            "$count($map([1..99999], function($x){$map([1..99999], function($y){$x})}))",
            "($d := function($s, $n){$n = 0 ? $s : $d($s & $s, $n - 1)}; $length($d(\"xxxxxxxx\", 40)))",
            "$pad(\"x\", 500000000)",
            "$eval(\"1\")",
            "$reduce([1..99999], function($a, $i){[$a, [$a]]}, 1)",
            "$reduce([1..20000], function($a, $i){{\"a\": $a}}, 1)",
            &format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000)),
        ] {
            let result = ends(engine, source, &Value::Null);
            assert!(result.is_err(), "{engine:?} {}: {result:?}", &source[..source.len().min(80)]);
        }
        assert!(ends(engine, "$", &deep).is_err(), "{engine:?}");
        let input = json!({ "s": pathological });
        let backtracking = ends(engine, "$contains(s, /^(a+)+$/)", &input);
        match engine {
            Engine::Core => assert_eq!(backtracking, Ok(Some(json!(false)))),
            // its thread is lost, the process is not
            Engine::Rs => assert_eq!(backtracking.expect_err("it hangs").code.as_deref(), Some("timeout")),
        }
        assert_eq!(ends(engine, "1 + 1", &Value::Null), Ok(Some(json!(2))), "{engine:?} works on");
    }
}

#[test]
fn results_have_a_budget() {
    let tight = Limits { output: 100, items: 10, ..Limits::default() };
    for engine in BOTH {
        let run = |source: &str, input: &Value| {
            Expression::compile(source, engine).expect(source).evaluate(input, &Vars::none(), &tight)
        };
        assert!(run("s", &json!({"s": "x".repeat(200)})).is_err());
        assert!(run("l", &json!({"l": vec![1; 20]})).is_err());
        assert_eq!(run("l", &json!({"l": [1, 2]})), Ok(Some(json!([1, 2]))));
    }
}
