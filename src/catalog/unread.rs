//! What a list accepts it must also send: a filter, sort or cursor that no part of the request reads would be lost in
//! silence, and the caller would take a longer list for the one that was asked for.

use super::build::Build;
use super::variant::{RequestShape, Variant};

pub fn check(build: &mut Build<'_>, at: &str, variant: &Variant) {
    let reads = reads(variant);
    let read = |path: &[&str]| {
        reads.iter().any(|read| read.iter().zip(path).all(|(read, path)| read == path) && read.len() <= path.len())
    };
    let begins = |name: &str| reads.iter().any(|read| read.first().is_none_or(|first| first == name));
    if !begins("conditions") {
        for (name, ops) in &variant.accepts.filters {
            for op in ops.iter().filter(|_| !variant.coarse.contains(name)) {
                let path: Vec<&str> = ["filter"].into_iter().chain(name.split('.')).chain([op.as_str()]).collect();
                if !read(&path) {
                    let op = op.as_str();
                    let message = format!(
                        "it accepts filter[{name}][{op}], but its request reads neither `conditions` nor `{}`",
                        path.join(".")
                    );
                    build.problem(at, message);
                }
            }
        }
    }
    let mut missing = |wanted: bool, name: &str, what: &str| {
        if wanted && !begins(name) {
            build.problem(at, format!("it {what}, but its request does not read `{name}`"));
        }
    };
    missing(!variant.accepts.sort.is_empty(), "sort", "accepts sorts");
    missing(variant.accepts.q, "q", "accepts a text search");
    let counts = variant.next.cursor.is_some() || variant.next.count.is_some();
    missing(counts, "cursor", "goes on by a cursor");
}

/// The paths that the requests of a variant read; `[]` is everything.
pub fn reads(variant: &Variant) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut request = |shape: &RequestShape| {
        shape.path.reads(&mut found);
        shape.query.iter().for_each(|(_, leaf)| leaf.reads(&mut found));
        shape.headers.iter().for_each(|(_, leaf)| leaf.reads(&mut found));
        shape.body.iter().for_each(|leaf| leaf.reads(&mut found));
    };
    request(&variant.request);
    variant.steps.iter().for_each(|(_, step)| request(&step.request));
    for when in variant.when.iter().chain(variant.steps.iter().filter_map(|(_, step)| step.when.as_ref())) {
        found.extend(when.expression().reads().iter().cloned());
    }
    variant.lets.iter().for_each(|(_, leaf)| leaf.reads(&mut found));
    found
}

#[cfg(test)]
mod tests {
    use crate::catalog::{Catalog, Files, Options};

    const PROVIDER: &str = "title: Acme\nbase_url: https://api.acme.test\nhosts: { api: ['https://api.acme.test'] }\nauth: { token: {} }\n";

    fn problems(query: &str) -> String {
        let resource = format!(
            "fields: {{ id: {{ read: id }}, owner: {{ fields: {{ id: owner }} }} }}\nfilters: {{ owner.id: [eq] }}\nsorts: {{ id: id }}\n\
             operations: {{ list: {{ request: GET /c, query: {{ {query} }}, records: data, next: next }} }}\n"
        );
        let files = Files::embedded()
            .laid_over(Files::of([("acme/provider.yaml", PROVIDER.to_owned()), ("acme/companies.yaml", resource)]));
        let problems = Catalog::load(&files, &Options::default()).err().unwrap_or_default();
        problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn what_is_accepted_has_to_be_sent() {
        assert_eq!(problems("o: filter.owner.id.eq, s: sort, c: cursor"), "");
        assert_eq!(problems("w: conditions, s: 'sort[0].on', c: cursor"), "");
        let lost = problems("o: filter.ownr.id.eq");
        for text in ["filter[owner.id][eq]", "`sort`", "`cursor`"] {
            assert!(lost.contains(text), "{text}: {lost}");
        }
    }
}
