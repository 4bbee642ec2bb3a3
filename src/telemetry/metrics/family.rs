//! A metric family with typed labels, and handles that are looked up by number: on the way of a request no text is
//! hashed or compared, and no lock is taken.

use std::collections::HashMap;
use std::marker::PhantomData;

use arc_swap::ArcSwap;
use prometheus::core::Collector;
use prometheus::{
    Error, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

use super::names::Names;

pub type Counters<L> = Family<IntCounterVec, L>;
pub type Gauges<L> = Family<IntGaugeVec, L>;
pub type Histograms<L> = Family<HistogramVec, L>;

/// One label's values: a closed set.
pub trait Label: Copy + 'static {
    /// Tells it from the others of its set.
    fn index(self) -> u16;

    fn text(self, names: &Names) -> &str;

    /// All there are at the moment.
    fn all(names: &Names) -> Vec<Self>;
}

/// The labels of a family: a tuple of up to four.
pub trait Labels: Copy + 'static {
    fn key(self) -> u64;

    fn texts(self, names: &Names) -> Vec<&str>;

    /// All combinations.
    fn all(names: &Names) -> Vec<Self>;
}

/// What the kinds of families have in common.
pub trait Vector: Collector + Clone + 'static {
    type One: Clone + Send + Sync;

    const KIND: &'static str;

    fn new(name: &str, help: &str, labels: &[&str], buckets: &[f64]) -> Result<Self, Error>;

    fn one(&self, labels: &[&str]) -> Self::One;

    fn take_away(&self, labels: &[&str]) -> Result<(), Error>;
}

pub struct Family<V: Vector, L> {
    vector: V,
    /// Copied when a series is added, which happens as often as there are series.
    handles: ArcSwap<HashMap<u64, Handle<V::One>>>,
    labels: PhantomData<fn(L)>,
}

#[derive(Clone)]
struct Handle<O> {
    one: O,
    /// To take the series away again.
    texts: Vec<String>,
}

impl<V: Vector, L: Labels> Family<V, L> {
    pub(super) fn register(
        registry: &Registry,
        name: &str,
        help: &str,
        labels: &[&str],
        buckets: &[f64],
    ) -> Result<Self, Error> {
        let vector = V::new(name, help, labels, buckets)?;
        registry.register(Box::new(vector.clone()))?;
        Ok(Self { vector, handles: ArcSwap::default(), labels: PhantomData })
    }

    /// Makes all series that there can be, so that the first event of each is an increase.
    pub(super) fn fill(&self, names: &Names) {
        let all = L::all(names).into_iter().map(|labels| (labels.key(), self.made(names, labels)));
        let all: Vec<_> = all.collect();
        self.handles.rcu(|handles| {
            let mut handles = HashMap::clone(handles);
            handles.extend(all.iter().cloned());
            handles
        });
    }

    fn with<T>(&self, names: &Names, labels: L, work: impl FnOnce(&V::One) -> T) -> T {
        let key = labels.key();
        if let Some(handle) = self.handles.load().get(&key) {
            return work(&handle.one);
        }
        let made = self.made(names, labels);
        self.handles.rcu(|handles| {
            let mut handles = HashMap::clone(handles);
            handles.insert(key, made.clone());
            handles
        });
        work(&made.one)
    }

    /// The registry's own series: two that make it at the same time get the same one.
    fn made(&self, names: &Names, labels: L) -> Handle<V::One> {
        let texts = labels.texts(names);
        Handle { one: self.vector.one(&texts), texts: texts.into_iter().map(str::to_owned).collect() }
    }
}

impl<L: Labels> Counters<L> {
    pub(super) fn inc(&self, names: &Names, labels: L) {
        self.with(names, labels, IntCounter::inc);
    }

    pub(super) fn inc_by(&self, names: &Names, labels: L, count: u64) {
        self.with(names, labels, |counter| counter.inc_by(count));
    }

    pub(super) fn get(&self, names: &Names, labels: L) -> u64 {
        self.with(names, labels, IntCounter::get)
    }
}

impl<L: Labels> Gauges<L> {
    pub(super) fn add(&self, names: &Names, labels: L, difference: i64) {
        self.with(names, labels, |gauge| gauge.add(difference));
    }

    pub(super) fn set(&self, names: &Names, labels: L, value: impl TryInto<i64>) {
        let value = value.try_into().unwrap_or(i64::MAX);
        self.with(names, labels, |gauge| gauge.set(value));
    }

    /// Sets these and takes all others away. What is given twice is added up.
    pub(super) fn replace(&self, names: &Names, values: impl IntoIterator<Item = (L, u64)>) {
        let mut sums: HashMap<u64, (L, u64)> = HashMap::new();
        for (labels, value) in values {
            let (_, sum) = sums.entry(labels.key()).or_insert((labels, 0));
            *sum = sum.saturating_add(value);
        }
        for (labels, value) in sums.values() {
            self.set(names, *labels, *value);
        }
        let handles = self.handles.load_full();
        let gone: Vec<_> = handles.iter().filter(|(key, _)| !sums.contains_key(key)).collect();
        for (_, handle) in &gone {
            let texts: Vec<&str> = handle.texts.iter().map(String::as_str).collect();
            // An error means that it has gone already.
            let _ = self.vector.take_away(&texts);
        }
        if !gone.is_empty() {
            self.handles.rcu(|handles| {
                let mut handles = HashMap::clone(handles);
                handles.retain(|key, _| sums.contains_key(key));
                handles
            });
        }
    }
}

impl<L: Labels> Histograms<L> {
    pub(super) fn observe(&self, names: &Names, labels: L, time: std::time::Duration) {
        self.with(names, labels, |histogram: &Histogram| histogram.observe(time.as_secs_f64()));
    }
}

impl Vector for IntCounterVec {
    type One = IntCounter;
    const KIND: &'static str = "counter";

    fn new(name: &str, help: &str, labels: &[&str], _: &[f64]) -> Result<Self, Error> {
        IntCounterVec::new(Opts::new(name, help), labels)
    }

    fn one(&self, labels: &[&str]) -> IntCounter {
        self.with_label_values(labels)
    }

    fn take_away(&self, labels: &[&str]) -> Result<(), Error> {
        self.remove_label_values(labels)
    }
}

impl Vector for IntGaugeVec {
    type One = IntGauge;
    const KIND: &'static str = "gauge";

    fn new(name: &str, help: &str, labels: &[&str], _: &[f64]) -> Result<Self, Error> {
        IntGaugeVec::new(Opts::new(name, help), labels)
    }

    fn one(&self, labels: &[&str]) -> IntGauge {
        self.with_label_values(labels)
    }

    fn take_away(&self, labels: &[&str]) -> Result<(), Error> {
        self.remove_label_values(labels)
    }
}

impl Vector for HistogramVec {
    type One = Histogram;
    const KIND: &'static str = "histogram";

    fn new(name: &str, help: &str, labels: &[&str], buckets: &[f64]) -> Result<Self, Error> {
        HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets.to_vec()), labels)
    }

    fn one(&self, labels: &[&str]) -> Histogram {
        self.with_label_values(labels)
    }

    fn take_away(&self, labels: &[&str]) -> Result<(), Error> {
        self.remove_label_values(labels)
    }
}

/// Sixteen bits for each label.
macro_rules! tuple {
    ($($label:ident)*) => {
        #[allow(non_snake_case, unused_variables)]
        impl<$($label: Label),*> Labels for ($($label,)*) {
            fn key(self) -> u64 {
                let ($($label,)*) = self;
                let key = 0;
                $(let key = (key << 16) | u64::from($label.index());)*
                key
            }

            fn texts(self, names: &Names) -> Vec<&str> {
                let ($($label,)*) = self;
                vec![$($label.text(names)),*]
            }

            fn all(names: &Names) -> Vec<Self> {
                tuple!(@all names, [], $($label)*)
            }
        }
    };
    (@all $names:ident, [$($done:ident)*],) => { vec![($($done,)*)] };
    (@all $names:ident, [$($done:ident)*], $next:ident $($rest:ident)*) => {
        $next::all($names)
            .into_iter()
            .flat_map(|$next| tuple!(@all $names, [$($done)* $next], $($rest)*))
            .collect::<Vec<Self>>()
    };
}

tuple!();
tuple!(A);
tuple!(A B);
tuple!(A B C);
tuple!(A B C D);
