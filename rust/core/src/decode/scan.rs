//! One JSON text, read once: its wanted fields picked out, everything else checked and passed over.
//!
//! The grammar is RFC 8259's, held to the letter, with one addition: the bare `NaN`, `Infinity` and `-Infinity`
//! that Python's `json` writes count as numbers. Where a name comes twice in an object, the last one counts.
//! Nothing here recurses with the input: objects and lists nest at most [`DEEPEST`] levels.

use super::fields::{Fields, Node, Raw};
use super::string_end::string_end;

/// How deep objects and lists may nest.
pub const DEEPEST: u32 = 128;

/// The text ends in the middle.
pub const TRUNCATED: &str = "json_truncated";
/// The text is not JSON.
pub const INVALID: &str = "json_invalid";
/// The text nests deeper than [`DEEPEST`].
pub const TOO_DEEP: &str = "json_too_deep";
/// The text is not UTF-8.
pub const NOT_UTF8: &str = "utf8_invalid";
/// The text is JSON, but no object.
pub const NOT_AN_OBJECT: &str = "not_an_object";

type Scanned<T> = Result<T, &'static str>;

/// Reads one message; `found` has a place for each slot of `fields`.
#[inline]
pub fn message<'a>(text: &'a str, fields: &Fields, found: &mut [Raw<'a>]) -> Scanned<()> {
    found.fill(Raw::Absent);
    let mut scanner = Scanner { text, bytes: text.as_bytes(), at: 0 };
    scanner.space();
    let object = scanner.peek()? == b'{';
    if object {
        scanner.object(&fields.root, 1, found)?;
    } else {
        scanner.value(0)?;
    }
    scanner.space();
    match (scanner.at == text.len(), object) {
        (true, true) => Ok(()),
        (true, false) => Err(NOT_AN_OBJECT),
        (false, _) => Err(INVALID),
    }
}

/// Where each single value of a text that is good JSON starts and ends, quotes included.
pub fn single_values(text: &str) -> Vec<(usize, usize)> {
    let mut scanner = Scanner { text, bytes: text.as_bytes(), at: 0 };
    let mut values = Vec::new();
    while let Some(byte) = scanner.bytes.get(scanner.at) {
        let start = scanner.at;
        if matches!(byte, b'{' | b'}' | b'[' | b']' | b',' | b':' | b' ' | b'\t' | b'\n' | b'\r') {
            scanner.at += 1;
            continue;
        }
        if scanner.pass(0).is_err() {
            break;
        }
        let end = scanner.at;
        scanner.space();
        if scanner.bytes.get(scanner.at) != Some(&b':') {
            values.push((start, end));
        }
    }
    values
}

/// The single value at a place, and the place behind it; nothing where there is none.
#[inline]
pub fn single_value(text: &str, at: usize) -> Option<(Raw<'_>, usize)> {
    let mut scanner = Scanner { text, bytes: text.as_bytes(), at };
    match scanner.peek().ok()? {
        b'{' | b'[' => None,
        _ => scanner.value(0).ok().map(|value| (value, scanner.at)),
    }
}

/// Hands out each field of a message with its value, up to the first fault.
pub fn each_field<'a>(line: &'a [u8], mut hand: impl FnMut(&str, Raw<'a>)) -> Scanned<()> {
    let text = std::str::from_utf8(line).map_err(|_| NOT_UTF8)?;
    let mut scanner = Scanner { text, bytes: text.as_bytes(), at: 0 };
    scanner.space();
    scanner.expected(b'{')?;
    scanner.at += 1;
    scanner.space();
    while scanner.peek()? != b'}' {
        let (name, escaped) = scanner.name()?;
        let value = scanner.value(1)?;
        if escaped {
            hand(&unescape(name), value);
        } else {
            hand(name, value);
        }
        scanner.space();
        if scanner.peek()? == b',' {
            scanner.at += 1;
            scanner.space();
        }
    }
    Ok(())
}

/// The values of a list that [`message`] has found, one after the other.
pub fn elements(list: &str) -> Scanned<Elements<'_>> {
    let mut scanner = Scanner { text: list, bytes: list.as_bytes(), at: 0 };
    if scanner.peek()? != b'[' {
        return Err(INVALID);
    }
    scanner.at += 1;
    scanner.space();
    Ok(Elements { scanner })
}

/// See [`elements`].
pub struct Elements<'a> {
    scanner: Scanner<'a>,
}

impl<'a> Iterator for Elements<'a> {
    /// A value, and the text it was read from.
    type Item = (Raw<'a>, &'a str);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let scanner = &mut self.scanner;
        let start = scanner.at;
        // The list has been checked once, so the only fault left is its closing bracket.
        let value = scanner.value(1).ok()?;
        let text = scanner.text.get(start..scanner.at)?;
        scanner.space();
        scanner.at += 1;
        scanner.space();
        Some((value, text))
    }
}

/// The text that escapes stand for. Half a surrogate pair, which is no character, becomes U+FFFD.
pub fn unescape(inner: &str) -> String {
    let mut text = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(at) = rest.find('\\') {
        text.push_str(&rest[..at]);
        let mut after = rest[at + 1..].chars();
        match after.next() {
            Some('b') => text.push('\u{8}'),
            Some('f') => text.push('\u{c}'),
            Some('n') => text.push('\n'),
            Some('r') => text.push('\r'),
            Some('t') => text.push('\t'),
            Some('u') => {
                let first = hex(after.as_str());
                let mut code = first;
                let mut used = 4;
                if (0xd800..0xdc00).contains(&first)
                    && let Some(second) = after.as_str().get(4..).and_then(|rest| rest.strip_prefix("\\u"))
                    && (0xdc00..0xe000).contains(&hex(second))
                {
                    code = 0x1_0000 + ((first - 0xd800) << 10) + (hex(second) - 0xdc00);
                    used = 10;
                }
                text.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                rest = after.as_str().get(used..).unwrap_or_default();
                continue;
            }
            Some(other) => text.push(other),
            None => {}
        }
        rest = after.as_str();
    }
    text.push_str(rest);
    text
}

/// Four hexadecimal digits, or what can't be a character where they aren't four.
fn hex(digits: &str) -> u32 {
    digits.get(..4).and_then(|digits| u32::from_str_radix(digits, 16).ok()).unwrap_or(u32::MAX)
}

struct Scanner<'a> {
    text: &'a str,
    /// The same text.
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    #[inline]
    fn peek(&self) -> Scanned<u8> {
        self.bytes.get(self.at).copied().ok_or(TRUNCATED)
    }

    #[inline]
    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }

    fn expected(&self, byte: u8) -> Scanned<()> {
        if self.peek()? == byte { Ok(()) } else { Err(INVALID) }
    }

    /// An object with wanted fields in it; the scanner stands on its brace, `depth` counts it.
    fn object(&mut self, node: &Node, depth: u32, found: &mut [Raw<'a>]) -> Scanned<()> {
        if depth > DEEPEST {
            return Err(TOO_DEEP);
        }
        self.at += 1;
        self.space();
        if self.peek()? == b'}' {
            self.at += 1;
            return Ok(());
        }
        loop {
            let (name, escaped) = self.name()?;
            let child = if escaped { node.child(&unescape(name)) } else { node.child(name) };
            match child {
                None => self.pass(depth)?,
                Some(child) => {
                    for slot in &child.below {
                        found[*slot] = Raw::Absent;
                    }
                    let start = self.at;
                    let value = if !child.children.is_empty() && self.peek()? == b'{' {
                        self.object(child, depth + 1, found)?;
                        Raw::Nested(self.text.get(start..self.at).unwrap_or_default())
                    } else {
                        self.value(depth)?
                    };
                    if let Some(slot) = child.slot {
                        found[slot] = value;
                    }
                }
            }
            self.space();
            let byte = self.peek()?;
            self.at += 1;
            match byte {
                b',' => self.space(),
                b'}' => return Ok(()),
                _ => return Err(INVALID),
            }
        }
    }

    /// A name and its colon; leaves the scanner on the value.
    #[inline]
    fn name(&mut self) -> Scanned<(&'a str, bool)> {
        self.expected(b'"')?;
        let name = self.string()?;
        self.space();
        self.expected(b':')?;
        self.at += 1;
        self.space();
        Ok(name)
    }

    /// Any value; `depth` levels are open around it.
    fn value(&mut self, depth: u32) -> Scanned<Raw<'a>> {
        let start = self.at;
        Ok(match self.peek()? {
            b'"' => {
                let (inner, escaped) = self.string()?;
                Raw::Text { inner, escaped }
            }
            b'{' | b'[' => {
                self.pass_nested(depth)?;
                Raw::Nested(self.text.get(start..self.at).unwrap_or_default())
            }
            b't' => self.word("true").map(|()| Raw::Bool(true))?,
            b'f' => self.word("false").map(|()| Raw::Bool(false))?,
            b'n' => self.word("null").map(|()| Raw::Null)?,
            _ => {
                self.number()?;
                Raw::Number(self.text.get(start..self.at).unwrap_or_default())
            }
        })
    }

    /// Any value, not wanted.
    #[inline]
    fn pass(&mut self, depth: u32) -> Scanned<()> {
        match self.peek()? {
            b'"' => self.string().map(|_| ()),
            b'{' | b'[' => self.pass_nested(depth),
            _ => self.pass_scalar(),
        }
    }

    #[inline]
    fn pass_scalar(&mut self) -> Scanned<()> {
        match self.peek()? {
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            _ => self.number(),
        }
    }

    /// An object or a list, not wanted. What is open is kept in the bits of an integer, 1 for an object.
    fn pass_nested(&mut self, depth: u32) -> Scanned<()> {
        let mut objects = 0_u128;
        let mut open = 0;
        loop {
            // A value starts here.
            match self.peek()? {
                b'"' => {
                    self.string()?;
                }
                brace @ (b'{' | b'[') => {
                    if depth + open == DEEPEST {
                        return Err(TOO_DEEP);
                    }
                    open += 1;
                    objects = objects << 1 | u128::from(brace == b'{');
                    self.at += 1;
                    self.space();
                    // In ASCII a brace and its closing one are two apart.
                    if self.peek()? != brace + 2 {
                        if brace == b'{' {
                            self.name()?;
                        }
                        continue;
                    }
                    self.at += 1;
                    open -= 1;
                    objects >>= 1;
                }
                _ => self.pass_scalar()?,
            }
            // A value has ended: what it was in goes on or ends too.
            loop {
                if open == 0 {
                    return Ok(());
                }
                self.space();
                let byte = self.peek()?;
                self.at += 1;
                match (byte, objects & 1) {
                    (b',', object) => {
                        self.space();
                        if object == 1 {
                            self.name()?;
                        }
                        break;
                    }
                    (b'}', 1) | (b']', 0) => {
                        open -= 1;
                        objects >>= 1;
                    }
                    _ => return Err(INVALID),
                }
            }
        }
    }

    /// A string, and whether there are escapes in it; the scanner stands on its first quote.
    #[inline]
    fn string(&mut self) -> Scanned<(&'a str, bool)> {
        let start = self.at + 1;
        let end = string_end(self.bytes, start);
        if self.bytes.get(end) == Some(&b'"') {
            self.at = end + 1;
            return Ok((self.text.get(start..end).unwrap_or_default(), false));
        }
        self.escaped_string(start, end)
    }

    #[cold]
    fn escaped_string(&mut self, start: usize, mut end: usize) -> Scanned<(&'a str, bool)> {
        loop {
            match self.bytes.get(end).ok_or(TRUNCATED)? {
                b'"' => {
                    self.at = end + 1;
                    return Ok((self.text.get(start..end).unwrap_or_default(), true));
                }
                b'\\' => match self.bytes.get(end + 1).ok_or(TRUNCATED)? {
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => end += 2,
                    b'u' => {
                        for place in end + 2..end + 6 {
                            if !self.bytes.get(place).ok_or(TRUNCATED)?.is_ascii_hexdigit() {
                                return Err(INVALID);
                            }
                        }
                        end += 6;
                    }
                    _ => return Err(INVALID),
                },
                _ => return Err(INVALID),
            }
            end = string_end(self.bytes, end);
        }
    }

    fn word(&mut self, word: &str) -> Scanned<()> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        if rest.starts_with(word.as_bytes()) {
            self.at += word.len();
            return Ok(());
        }
        Err(if word.as_bytes().starts_with(rest) { TRUNCATED } else { INVALID })
    }

    #[inline]
    fn digits(&mut self) -> Scanned<()> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let digits = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
        self.at += digits;
        if digits > 0 {
            return Ok(());
        }
        Err(if self.at == self.bytes.len() { TRUNCATED } else { INVALID })
    }

    #[inline]
    fn number(&mut self) -> Scanned<()> {
        let negative = self.peek()? == b'-';
        self.at += usize::from(negative);
        match self.peek()? {
            b'0' => self.at += 1,
            b'1'..=b'9' => self.digits()?,
            b'I' => return self.word("Infinity"),
            b'N' if !negative => return self.word("NaN"),
            _ => return Err(INVALID),
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.bytes.get(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = self.bytes.get(self.at) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }
}
