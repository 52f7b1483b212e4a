//! Where the parts of a YAML document stand, by their JSON pointers.

use std::collections::BTreeMap;
use std::fmt;

use engine::playbook::check::escaped;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

/// A line and a column, both from 1 on.
pub(super) type Place = (u64, u64);

/// The place of each part: a member's by its name, an element's by its beginning.
#[derive(Default)]
pub(super) struct Places(BTreeMap<String, Place>);

impl Places {
    /// Of a document that can be read as YAML; none where it cannot.
    pub(super) fn of(text: &str) -> Self {
        let mut places = Places::default();
        if let Ok(root) = serde_saphyr::from_str::<Spanned<Node>>(text) {
            places.gather("", &root);
        }
        places
    }

    fn gather(&mut self, pointer: &str, node: &Spanned<Node>) {
        match &node.value {
            Node::Leaf => {}
            Node::Elements(elements) => {
                for (n, element) in elements.iter().enumerate() {
                    let pointer = format!("{pointer}/{n}");
                    self.keep(&pointer, element.referenced);
                    self.gather(&pointer, element);
                }
            }
            Node::Members(members) => {
                for (name, value) in members {
                    let pointer = format!("{pointer}/{}", escaped(&name.value));
                    self.keep(&pointer, name.referenced);
                    self.gather(&pointer, value);
                }
            }
        }
    }

    fn keep(&mut self, pointer: &str, location: Location) {
        if let Some(place) = place_of(location) {
            self.0.insert(pointer.to_owned(), place);
        }
    }

    /// Where a pointer leads, or what it lies in where it leads to nothing.
    pub(super) fn find(&self, pointer: &str) -> Option<Place> {
        let mut pointer = pointer;
        loop {
            if let Some(place) = self.0.get(pointer) {
                return Some(*place);
            }
            pointer = pointer.rsplit_once('/')?.0;
        }
    }

    /// The first part whose name is one of these.
    pub(super) fn named(&self, names: &[&str]) -> Option<(&str, Place)> {
        let is_named = |pointer: &str| names.contains(&pointer.rsplit('/').next().unwrap_or_default());
        self.0
            .iter()
            .find(|(pointer, _)| is_named(pointer))
            .map(|(pointer, place)| (pointer.as_str(), *place))
    }
}

pub(super) fn place_of(location: Location) -> Option<Place> {
    // What the reader does not know is line 0.
    (location.line() > 0).then(|| (location.line(), location.column()))
}

enum Node {
    Leaf,
    Elements(Vec<Spanned<Node>>),
    Members(Vec<(Spanned<String>, Spanned<Node>)>),
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Node;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_bool<E>(self, _: bool) -> Result<Node, E> {
                Ok(Node::Leaf)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Node, E> {
                Ok(Node::Leaf)
            }

            fn visit_i128<E>(self, _: i128) -> Result<Node, E> {
                Ok(Node::Leaf)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Node, E> {
                Ok(Node::Leaf)
            }

            fn visit_u128<E>(self, _: u128) -> Result<Node, E> {
                Ok(Node::Leaf)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
                Ok(Node::Leaf)
            }

            fn visit_str<E>(self, _: &str) -> Result<Node, E> {
                Ok(Node::Leaf)
            }

            fn visit_unit<E>(self) -> Result<Node, E> {
                Ok(Node::Leaf)
            }

            fn visit_none<E>(self) -> Result<Node, E> {
                Ok(Node::Leaf)
            }

            fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Node, D::Error> {
                Node::deserialize(from)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
                let mut elements = Vec::new();
                while let Some(element) = seq.next_element()? {
                    elements.push(element);
                }
                Ok(Node::Elements(elements))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Node::Members(members))
            }
        }

        from.deserialize_any(Reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found_in_either_style() {
        let text =
            "a: 1\nb:\n  - id: one\n    on: [x, y]\n  - {id: two, when: 'z'}\n\"c/d\":\n  e: |\n    text\n";
        let places = Places::of(text);
        let found = |pointer: &str| places.find(pointer);
        assert_eq!(found("/a"), Some((1, 1)));
        assert_eq!(found("/b"), Some((2, 1)));
        assert_eq!(found("/b/0"), Some((3, 5)));
        assert_eq!(found("/b/0/on"), Some((4, 5)));
        assert_eq!(found("/b/0/on/1"), Some((4, 13)));
        assert_eq!(found("/b/1/when"), Some((5, 15)));
        assert_eq!(found("/c~1d/e"), Some((7, 3)));
        // What is not there is told where it should be.
        assert_eq!(found("/b/0/forecast/service"), Some((3, 5)));
        assert_eq!(found("/nothing"), None);
        assert_eq!(places.named(&["when"]), Some(("/b/1/when", (5, 15))));
        assert!(Places::of("a: [").find("/a").is_none());
    }
}
