//! Messages that look like one before them, read by their differences alone.
//!
//! A tracker writes the same names in the same order into every message. A *shape* is one message that was
//! read in full, with the places of its single values. A later message is laid beside it: where the two
//! agree nothing has to be looked at again; where they part inside a single value, that value is read in the new
//! message and both go on behind it; where they part anywhere else, the shape doesn't fit and the message
//! is read in full by [`scan`](super::scan). A value in which messages have parted once is read in each of them, so
//! that in the long run there is nothing to search for: what stands between such values is compared at one go. A text that differs from good JSON by good single values alone is
//! good JSON with the same names, so both ways give the same.

use super::fields::{Fields, Raw};
use super::scan::{self, NOT_UTF8};

/// Shapes kept at a time.
const MOST: usize = 4;
/// After that many messages in full, shapes have to have paid by then.
const TRIAL: usize = 64;

/// Messages longer than this are none that come by the thousand.
const LONGEST: usize = 1 << 16;

/// Reads the messages of one block.
#[derive(Debug)]
pub struct Reader<'a, 'f> {
    fields: &'f Fields,
    /// The one that fitted last comes first.
    shapes: Vec<Shape<'a>>,
    /// Messages read by a shape.
    pub fitted: usize,
    /// Messages read in full.
    in_full: usize,
}

impl<'a, 'f> Reader<'a, 'f> {
    /// A reader that has seen nothing.
    pub fn new(fields: &'f Fields) -> Self {
        Self { fields, shapes: Vec::new(), fitted: 0, in_full: 0 }
    }

    /// As [`scan::message`].
    pub fn message(&mut self, line: &'a [u8], found: &mut [Raw<'a>]) -> Result<(), &'static str> {
        let text = std::str::from_utf8(line).map_err(|_| NOT_UTF8)?;
        for at in 0..self.shapes.len() {
            if self.shapes[at].fits(text, found) {
                self.fitted += 1;
                self.shapes[..=at].rotate_right(1);
                return Ok(());
            }
        }
        scan::message(text, self.fields, found)?;
        self.in_full += 1;
        // A shape from the first message would be wasted on blocks of one; where messages are all different,
        // shapes are given up.
        if self.in_full > TRIAL && self.fitted < self.in_full {
            self.shapes.clear();
        } else if self.in_full > 1
            && text.len() <= LONGEST
            && let Some(shape) = Shape::learn(text, found)
        {
            self.shapes.truncate(MOST - 1);
            self.shapes.insert(0, shape);
        }
        Ok(())
    }
}

/// A place of the shape's message where a wanted field's value begins or ends.
#[derive(Debug, Clone, Copy)]
struct Mark {
    place: usize,
    slot: usize,
    what: Border,
}

#[derive(Debug, Clone, Copy)]
enum Border {
    /// A number of that length begins.
    Number(usize),
    /// What is between the quotes of a text of that length begins.
    Text(usize, bool),
    /// An object or a list begins.
    Open,
    /// It has ended.
    Close,
}

#[derive(Debug)]
struct Shape<'a> {
    message: &'a str,
    /// Where each single value starts and ends, quotes included.
    values: Vec<(usize, usize)>,
    /// Those of them that messages have had differently, in their order.
    varying: Vec<(usize, usize)>,
    /// In the order of their places.
    marks: Vec<Mark>,
}

impl<'a> Shape<'a> {
    /// The shape of a message that is good JSON, and what was found in it; nothing where a wanted field is
    /// `null` or a truth value, whose place isn't known.
    fn learn(message: &'a str, found: &[Raw<'a>]) -> Option<Self> {
        let place = |part: &str| (part.as_ptr() as usize).checked_sub(message.as_ptr() as usize);
        let mut marks = Vec::new();
        for (slot, value) in found.iter().enumerate() {
            let mut mark = |place, what| marks.push(Mark { place, slot, what });
            match value {
                Raw::Absent => {}
                Raw::Null | Raw::Bool(_) => return None,
                Raw::Number(digits) => mark(place(digits)?, Border::Number(digits.len())),
                Raw::Text { inner, escaped } => mark(place(inner)?, Border::Text(inner.len(), *escaped)),
                Raw::Nested(text) => {
                    mark(place(text)?, Border::Open);
                    mark(place(text)? + text.len(), Border::Close);
                }
            }
        }
        marks.sort_by_key(|mark| mark.place);
        Some(Self { message, values: scan::single_values(message), varying: Vec::new(), marks })
    }

    /// Whether a message has this shape; if so, `found` is what is in its wanted fields.
    fn fits(&mut self, text: &'a str, found: &mut [Raw<'a>]) -> bool {
        found.fill(Raw::Absent);
        let (ours, theirs) = (self.message.as_bytes(), text.as_bytes());
        let (mut our_place, mut their_place) = (0, 0);
        // The next of the varying values.
        let mut next = 0;
        let mut marks = self.marks.as_slice();
        loop {
            let ours_left = ours.get(our_place..).unwrap_or_default();
            let theirs_left = theirs.get(their_place..).unwrap_or_default();
            let known = self.varying.get(next).copied();
            let until = known.map_or(ours_left.len(), |(start, _)| start - our_place);
            let (start, end) = if ours_left.get(..until) == theirs_left.get(..until) {
                let Some(value) = known else {
                    let whole = until == theirs_left.len();
                    return whole && place(&mut marks, usize::MAX, our_place, their_place, text, found);
                };
                value
            } else {
                let parting = our_place + common(ours_left, theirs_left);
                // A value's end is where a longer one differs from it.
                let at = self.values.partition_point(|(_, end)| *end < parting);
                match self.values.get(at) {
                    Some((start, end)) if (our_place..=parting).contains(start) => {
                        self.varying.insert(next, (*start, *end));
                        (*start, *end)
                    }
                    _ => return false,
                }
            };
            next += 1;
            let due = marks.first().is_some_and(|mark| mark.place < start);
            if due && !place(&mut marks, start, our_place, their_place, text, found) {
                return false;
            }
            their_place += start - our_place;
            our_place = end;
            let Some((value, behind)) = scan::single_value(text, their_place) else { return false };
            their_place = behind;
            // Its own mark is inside the value or at its start.
            while let Some((mark, rest)) = marks.split_first()
                && mark.place < end
            {
                found[mark.slot] = value;
                marks = rest;
            }
        }
    }
}

/// Settles the marks before `end` in a stretch that two messages share.
fn place<'a>(
    marks: &mut &[Mark],
    end: usize,
    our_place: usize,
    their_place: usize,
    text: &'a str,
    found: &mut [Raw<'a>],
) -> bool {
    while let Some((mark, rest)) = marks.split_first()
        && mark.place < end
    {
        let start = mark.place - our_place + their_place;
        let part = |length| text.get(start..start + length);
        let value = match mark.what {
            Border::Number(length) => part(length).map(Raw::Number),
            Border::Text(length, escaped) => part(length).map(|inner| Raw::Text { inner, escaped }),
            Border::Open => text.get(start..).map(Raw::Nested),
            // Until here the rest of the message stood for it.
            Border::Close => match found[mark.slot] {
                Raw::Nested(rest) => rest.get(..rest.len() - (text.len() - start)).map(Raw::Nested),
                _ => None,
            },
        };
        let Some(value) = value else { return false };
        found[mark.slot] = value;
        *marks = rest;
    }
    true
}

/// How many bytes two texts have in common from their start on.
#[inline]
fn common(ours: &[u8], theirs: &[u8]) -> usize {
    let mut same = 0;
    while let (Some(one), Some(other)) = (chunk::<32>(ours, same), chunk::<32>(theirs, same))
        && one == other
    {
        same += 32;
    }
    while let (Some(one), Some(other)) = (chunk::<8>(ours, same), chunk::<8>(theirs, same)) {
        let differing = u64::from_le_bytes(*one) ^ u64::from_le_bytes(*other);
        if differing != 0 {
            return same + differing.trailing_zeros() as usize / 8;
        }
        same += 8;
    }
    let rest = ours.iter().zip(theirs).skip(same).take_while(|(one, other)| one == other);
    same + rest.count()
}

#[inline]
fn chunk<const N: usize>(bytes: &[u8], at: usize) -> Option<&[u8; N]> {
    bytes.get(at..).and_then(|rest| rest.first_chunk::<N>())
}
