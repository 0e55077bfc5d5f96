//! Which fields of a message are wanted, as a tree of names, and what was found in them.
//!
//! Owns the names; knows no JSON. A dot in a name goes one level down: `"object.id"`.

use std::borrow::Cow;

/// A field's value as it stands in the message.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Raw<'a> {
    /// The message doesn't have the field.
    Absent,
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number in its own digits; also `NaN`, `Infinity` and `-Infinity`.
    Number(&'a str),
    /// A text, without its quotes.
    Text {
        /// What stands between the quotes.
        inner: &'a str,
        /// Whether there are escapes in it.
        escaped: bool,
    },
    /// An object or a list, braces included.
    Nested(&'a str),
}

impl<'a> Raw<'a> {
    /// Whether there is nothing: no such field, or `null`.
    pub fn is_nothing(self) -> bool {
        matches!(self, Self::Absent | Self::Null)
    }

    /// A text, or a number in its own digits: what names and ids are read from.
    pub fn name(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Number(digits) => Some(Cow::Borrowed(digits)),
            Self::Text { inner, escaped: false } => Some(Cow::Borrowed(inner)),
            Self::Text { inner, escaped: true } => Some(Cow::Owned(super::scan::unescape(inner))),
            _ => None,
        }
    }
}

/// A wanted field, or an object on the way to one.
#[derive(Debug, Clone, Default)]
pub struct Node {
    name: String,
    /// Where its own value goes, if it is wanted itself.
    pub slot: Option<usize>,
    /// The wanted fields in it.
    pub children: Vec<Node>,
    /// The slots of everything below: what an object that comes twice has to forget.
    pub below: Vec<usize>,
}

impl Node {
    /// The wanted field of that name.
    #[inline]
    pub fn child(&self, name: &str) -> Option<&Node> {
        self.children.iter().find(|child| child.name == name)
    }

    /// Asks for a field in it; `next` is the slot it gets if it is new.
    fn ask(&mut self, path: &str, next: usize) -> usize {
        let (first, rest) = match path.split_once('.') {
            Some((first, rest)) => (first, Some(rest)),
            None => (path, None),
        };
        let at = self.children.iter().position(|child| child.name == first).unwrap_or_else(|| {
            self.children.push(Node { name: first.to_owned(), ..Node::default() });
            self.children.len() - 1
        });
        let child = &mut self.children[at];
        let slot = match rest {
            Some(rest) => child.ask(rest, next),
            None => *child.slot.get_or_insert(next),
        };
        if slot == next {
            self.below.push(slot);
        }
        slot
    }
}

/// The wanted fields of a message, each with its slot.
#[derive(Debug, Clone, Default)]
pub struct Fields {
    /// The message itself.
    pub root: Node,
    count: usize,
}

impl Fields {
    /// Asks for a field and returns its slot; asking twice gives the same one.
    pub fn ask(&mut self, path: &str) -> usize {
        let slot = self.root.ask(path, self.count);
        if slot == self.count {
            self.count += 1;
        }
        slot
    }

    /// How many slots there are.
    pub fn len(&self) -> usize {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_share_their_way_down() {
        let mut fields = Fields::default();
        let slots: Vec<usize> =
            ["a.b", "c", "a.d", "a", "a.b", "c"].iter().map(|path| fields.ask(path)).collect();
        assert_eq!(slots, [0, 1, 2, 3, 0, 1]);
        assert_eq!(fields.len(), 4);
        assert_eq!(fields.root.below, [0, 1, 2, 3]);
        let a = fields.root.child("a").unwrap();
        assert_eq!((a.slot, a.below.as_slice()), (Some(3), [0, 2].as_slice()));
        assert!(fields.root.child("b").is_none());
    }
}
