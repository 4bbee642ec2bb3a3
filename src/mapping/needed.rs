//! Which part of its input an expression can see. A record of a hundred members of which an expression reads two is made
//! ready for the engine as a record of two.

use std::collections::BTreeMap;

/// Below a place of the input.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Needed {
    All,
    /// These members of an object, or of the objects in a list.
    Members(BTreeMap<String, Needed>),
}

impl Needed {
    /// `reads` are the paths that are read; each stands for all that is below it.
    pub(super) fn of<'r>(reads: impl IntoIterator<Item = &'r Vec<String>>) -> Self {
        let mut needed = Self::Members(BTreeMap::new());
        for path in reads {
            needed.add(path);
        }
        needed
    }

    fn add(&mut self, path: &[String]) {
        let Self::Members(members) = self else { return };
        match path.split_first() {
            None => *self = Self::All,
            Some((name, rest)) => {
                members.entry(name.clone()).or_insert_with(|| Self::Members(BTreeMap::new())).add(rest)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stands_for_all_below_it() {
        let paths = |paths: &[&str]| -> Vec<Vec<String>> {
            paths.iter().map(|path| path.split('.').map(str::to_owned).collect()).collect()
        };
        let of = |reads: &[&str]| Needed::of(&paths(reads));
        let member = |name: &str, needed: Needed| Needed::Members([(name.to_owned(), needed)].into());
        assert_eq!(of(&["a.b"]), member("a", member("b", Needed::All)));
        assert_eq!(of(&["a.b", "a"]), member("a", Needed::All));
        assert_eq!(of(&["a", "a.b"]), member("a", Needed::All));
        assert_eq!(Needed::of(&[Vec::new()]), Needed::All);
        assert_eq!(Needed::of(&Vec::<Vec<String>>::new()), Needed::Members(BTreeMap::new()));
    }
}
