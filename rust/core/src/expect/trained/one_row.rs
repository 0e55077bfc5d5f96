//! Boosted trees asked about one row at a time.
//!
//! What [`super::trees`] says of leaves holds here too: a node whose threshold lies below its feature's value rules out
//! the leaves on its left. The nodes of all trees that ask the same feature stand in the order of their thresholds, so
//! that those below the value come first; and before every [`BLOCK`] of them stands what all of them so far leave of
//! each tree's leaves. A row so takes one such state of each feature, and asks the nodes of one block.

use std::ops::BitAnd;

use pulp::NullaryFnOnce;

/// Trees whose leaves are ruled out together: a state of theirs takes 256 bytes or a few times that.
const GROUP: usize = 128;
/// Nodes from one state to the next: more are more to ask, fewer are more states, out of slower caches.
const BLOCK: usize = 16;
/// Features whose states are taken before their nodes are asked. Where a node's turn ends can't be guessed, and what a
/// processor reads ahead is lost there.
const FEATURES: usize = 64;
/// Sums that trees are added to in turns, so that none waits for the one before.
pub const SUMS: usize = 4;

/// Adds up what trees were added to in turns.
#[inline]
pub fn total([a, b, c, d]: [f64; SUMS]) -> f64 {
    (a + b) + (c + d)
}

/// A node that asks, of a tree; `mask` is what it leaves of its leaves where the feature is above the threshold.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    pub tree: usize,
    pub feature: u32,
    pub threshold: f64,
    pub mask: u64,
}

/// A tree's leaves, a bit each, in as few bits as they need.
trait Leaves: Copy + PartialEq + BitAnd<Output = Self> {
    const ALL: Self;
    const MOST: usize = 8 * size_of::<Self>();
    /// Of leaves that are at most as many.
    fn of(mask: u64) -> Self;
    /// The first one that is left.
    fn first(self) -> usize;
}

macro_rules! leaves {
    ($($word:ty)*) => {$(
        impl Leaves for $word {
            const ALL: Self = Self::MAX;
            fn of(mask: u64) -> Self {
                mask as Self
            }
            #[inline]
            fn first(self) -> usize {
                self.trailing_zeros() as usize
            }
        }
    )*};
}

leaves!(u16 u32 u64);

/// Trees by what they ask.
#[derive(Debug, Clone, PartialEq)]
pub enum ByThreshold {
    /// Of at most 16 leaves.
    Small(Vec<Group<u16>>),
    /// Of at most 32.
    Middle(Vec<Group<u32>>),
    /// Of at most 64.
    Large(Vec<Group<u64>>),
}

impl ByThreshold {
    /// Of nodes in any order, and the values of each tree's leaves.
    pub fn new(nodes: &[Asked], values: &[&[f64]], features: usize) -> Self {
        match values.iter().map(|values| values.len()).max() {
            None | Some(..=16) => Self::Small(groups(nodes, values, features)),
            Some(..=32) => Self::Middle(groups(nodes, values, features)),
            Some(_) => Self::Large(groups(nodes, values, features)),
        }
    }

    /// The sum of trees, added in turns; `inputs` are numbers, and `plain` says which of them a feature is.
    pub fn evaluate(&self, baseline: f64, inputs: &[f64], plain: &[usize]) -> f64 {
        let vectors = pulp::Arch::new();
        match self {
            Self::Small(groups) => vectors.dispatch(Row { groups, baseline, inputs, plain }),
            Self::Middle(groups) => vectors.dispatch(Row { groups, baseline, inputs, plain }),
            Self::Large(groups) => vectors.dispatch(Row { groups, baseline, inputs, plain }),
        }
    }
}

/// A group of trees.
#[derive(Debug, Clone, PartialEq)]
pub struct Group<L> {
    /// For each feature, the nodes that ask it.
    features: Vec<Sorted<L>>,
    /// Of each tree, the values of its leaves, with room for as many as there may be.
    values: Vec<f64>,
}

/// The nodes of a group that ask one feature.
#[derive(Debug, Clone, PartialEq)]
struct Sorted<L> {
    /// The last threshold of each block.
    ends: Vec<f64>,
    blocks: Vec<Block<L>>,
}

#[derive(Debug, Clone, PartialEq)]
struct Block<L> {
    /// What the nodes before it leave of each tree.
    left: [L; GROUP],
    nodes: [Node<L>; BLOCK],
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Node<L> {
    threshold: f64,
    /// In its group.
    tree: u32,
    mask: L,
}

fn groups<L: Leaves>(nodes: &[Asked], values: &[&[f64]], features: usize) -> Vec<Group<L>> {
    let of_group = |(number, values): (usize, &[&[f64]])| {
        let first = number * GROUP;
        let mut lists = vec![Vec::new(); features];
        for node in nodes.iter().filter(|node| (first..first + values.len()).contains(&node.tree)) {
            let Asked { tree, feature, threshold, mask } = *node;
            lists[feature as usize].push(Node { threshold, tree: (tree - first) as u32, mask: L::of(mask) });
        }
        let mut leaves = vec![0.0; values.len() * L::MOST];
        for (room, values) in leaves.chunks_exact_mut(L::MOST).zip(values) {
            room[..values.len()].copy_from_slice(values);
        }
        Group { features: lists.into_iter().map(Sorted::new).collect(), values: leaves }
    };
    values.chunks(GROUP).enumerate().map(of_group).collect()
}

impl<L: Leaves> Sorted<L> {
    fn new(mut nodes: Vec<Node<L>>) -> Self {
        nodes.sort_by(|one, other| one.threshold.total_cmp(&other.threshold));
        // One more than whole ones: no value is above the last threshold of all.
        let count = nodes.len() / BLOCK + 1;
        let mut sorted = Self { ends: Vec::with_capacity(count), blocks: Vec::with_capacity(count) };
        let mut left = [L::ALL; GROUP];
        for number in 0..count {
            let mut block =
                Block { left, nodes: [Node { threshold: f64::INFINITY, tree: 0, mask: L::ALL }; BLOCK] };
            for (place, node) in block.nodes.iter_mut().zip(nodes.iter().skip(number * BLOCK)) {
                *place = *node;
                let tree = &mut left[node.tree as usize];
                *tree = *tree & node.mask;
            }
            sorted.ends.push(block.nodes[BLOCK - 1].threshold);
            sorted.blocks.push(block);
        }
        sorted
    }
}

struct Row<'a, L> {
    groups: &'a [Group<L>],
    baseline: f64,
    inputs: &'a [f64],
    plain: &'a [usize],
}

impl<L: Leaves> NullaryFnOnce for Row<'_, L> {
    type Output = f64;

    // Always, and without closures: what is called from here would not be compiled for the wider vectors.
    #[allow(clippy::inline_always)]
    #[inline(always)]
    fn call(self) -> f64 {
        let Self { groups, baseline, inputs, plain } = self;
        let mut sums = [0.0; SUMS];
        sums[0] = baseline;
        for group in groups {
            let mut left = [L::ALL; GROUP];
            for (features, plain) in group.features.chunks(FEATURES).zip(plain.chunks(FEATURES)) {
                let mut chosen = [0; FEATURES];
                for ((feature, input), chosen) in features.iter().zip(plain).zip(&mut chosen) {
                    let value = inputs[*input];
                    let mut below = 0_u64;
                    for end in &feature.ends {
                        below += u64::from(*end < value);
                    }
                    *chosen = below as usize;
                    for (left, kept) in left.iter_mut().zip(&feature.blocks[*chosen].left) {
                        *left = *left & *kept;
                    }
                }
                for ((feature, input), chosen) in features.iter().zip(plain).zip(&chosen) {
                    let value = inputs[*input];
                    for node in &feature.blocks[*chosen].nodes {
                        if value <= node.threshold {
                            break;
                        }
                        let left = &mut left[node.tree as usize % GROUP];
                        *left = *left & node.mask;
                    }
                }
            }
            for (at, (values, left)) in group.values.chunks_exact(L::MOST).zip(&left).enumerate() {
                sums[at % SUMS] += values[left.first() % L::MOST];
            }
        }
        total(sums)
    }
}
