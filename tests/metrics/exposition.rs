//! Reads what `/metrics` answers: the text format of Prometheus, version 0.0.4.

use std::collections::BTreeMap;

use regex::Regex;

/// One line: a sample of a series.
#[derive(Debug)]
pub struct Sample {
    /// With `_bucket`, `_sum` or `_count` for histograms.
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub value: f64,
}

#[derive(Debug, Default)]
pub struct Exposition {
    /// Family to its kind.
    pub families: BTreeMap<String, String>,
    pub helped: Vec<String>,
    pub samples: Vec<Sample>,
}

impl Exposition {
    pub fn parse(text: &str) -> Self {
        let line_of = Regex::new(r"^([a-z_:][a-z0-9_:]*)(?:\{(.*)\})? (\S+)$").expect("a pattern");
        let label_of = Regex::new(r#"([a-z_]+)="((?:[^"\\]|\\.)*)",?"#).expect("a pattern");
        let mut exposition = Self::default();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("a kind");
                assert!(exposition.families.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} twice");
            } else if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').expect("a help");
                assert!(help.len() > 10 && help == help.trim(), "{line}");
                exposition.helped.push(name.to_owned());
            } else {
                let found = line_of.captures(line).unwrap_or_else(|| panic!("not a sample: {line}"));
                let labels = found.get(2).map_or("", |labels| labels.as_str());
                exposition.samples.push(Sample {
                    name: found[1].to_owned(),
                    labels: label_of.captures_iter(labels).map(|one| (one[1].to_owned(), one[2].to_owned())).collect(),
                    value: found[3].parse().expect("a number"),
                });
            }
        }
        exposition
    }

    /// The sum of all samples of this name with these labels.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let fits = |sample: &&Sample| {
            sample.name == name
                && labels.iter().all(|(label, value)| sample.labels.get(*label).is_some_and(|has| has == value))
        };
        self.samples.iter().filter(fits).map(|sample| sample.value).sum()
    }
}
