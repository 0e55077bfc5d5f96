//! Gradient-boosted trees, evaluated without following their branches.
//!
//! A tree's leaves are numbered from left to right, a bit each. A node that sends a row to the right rules out the
//! leaves on its left; the row's leaf is the first that no node has ruled out. All nodes of a tree are asked, many rows
//! at once, so nothing hangs on what the processor guesses.

#[cfg(target_arch = "x86_64")]
use pulp::Arch;
use pulp::NullaryFnOnce;

use super::file::{Boosted, Tree};
use super::one_row::{Asked, ByThreshold, SUMS, total};
use super::{LANES, Lanes};
use crate::error::{Error, Result};

/// A tree has at most so many leaves: the bits of a word.
const LEAVES: usize = 64;

/// A node that asks.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Node {
    threshold: f64,
    /// What is left of the leaves where the feature is above the threshold.
    mask: u64,
    feature: u32,
}

/// The part of the lists that is one tree's.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Part {
    nodes: (u32, u32),
    leaves: u32,
}

/// `baseline + sum of trees`, added in turns to [`SUMS`] sums, and those in the end.
#[derive(Debug, Clone, PartialEq)]
pub struct Trees {
    baseline: f64,
    nodes: Vec<Node>,
    values: Vec<f64>,
    parts: Vec<Part>,
    /// For one row at a time.
    by_threshold: ByThreshold,
}

impl Trees {
    /// On so many features.
    pub fn new(boosted: &Boosted, features: usize) -> Result<Self> {
        if !boosted.baseline.is_finite() {
            return Err(Error::model("the model file must have a finite `baseline`"));
        }
        let mut trees = Self {
            baseline: boosted.baseline,
            nodes: Vec::new(),
            values: Vec::new(),
            parts: Vec::new(),
            by_threshold: ByThreshold::new(&[], &[], features),
        };
        for (at, tree) in boosted.trees.iter().enumerate() {
            trees
                .add(tree, features)
                .map_err(|what| Error::model(format!("tree {at} of the model file {what}")))?;
        }
        trees.sort(features);
        Ok(trees)
    }

    fn sort(&mut self, features: usize) {
        let mut asked = Vec::new();
        let mut values = Vec::new();
        let ends = self.parts.iter().skip(1).map(|part| part.leaves as usize).chain([self.values.len()]);
        for (tree, (part, end)) in self.parts.iter().zip(ends).enumerate() {
            values.push(&self.values[part.leaves as usize..end]);
            for node in &self.nodes[part.nodes.0 as usize..part.nodes.1 as usize] {
                let Node { threshold, mask, feature } = *node;
                asked.push(Asked { tree, feature, threshold, mask });
            }
        }
        self.by_threshold = ByThreshold::new(&asked, &values, features);
    }

    fn add(&mut self, tree: &Tree, features: usize) -> Result<(), &'static str> {
        let size = tree.feature.len();
        let sizes = [tree.threshold.len(), tree.left.len(), tree.right.len(), tree.value.len()];
        if size == 0 || sizes != [size; 4] {
            return Err("must have nodes, and as many of each of their parts");
        }
        let first = self.nodes.len();
        let leaves = self.values.len();
        // Children come after their parent and have one, so this ends.
        let mut parents = vec![0_u8; size];
        for node in (0..size).filter(|node| tree.feature[*node].is_some()) {
            for child in [tree.left[node], tree.right[node]] {
                let child = child as usize;
                if child <= node || child >= size || parents[child] > 0 {
                    return Err("must have children after their parent, one parent each");
                }
                parents[child] = 1;
            }
        }
        // From left to right: a node is met again once its left side is done.
        let mut open: Vec<(usize, Option<u32>)> = vec![(0, None)];
        while let Some((node, begun)) = open.pop() {
            let leaf = (self.values.len() - leaves) as u32;
            match (tree.feature[node], begun) {
                (None, _) => {
                    if leaf as usize >= LEAVES {
                        return Err("must have at most 64 leaves");
                    }
                    if !tree.value[node].is_finite() {
                        return Err("must have finite values");
                    }
                    self.values.push(tree.value[node]);
                }
                (Some(_), None) => {
                    open.push((node, Some(leaf)));
                    open.push((tree.left[node] as usize, None));
                }
                (Some(feature), Some(begun)) => {
                    if feature as usize >= features || tree.threshold[node].is_nan() {
                        return Err("must ask features that there are, for numbers");
                    }
                    let below = |leaf: u32| 1_u64.checked_shl(leaf).map_or(u64::MAX, |bit| bit - 1);
                    let mask = !(below(leaf) & !below(begun));
                    self.nodes.push(Node { threshold: tree.threshold[node], mask, feature });
                    open.push((tree.right[node] as usize, None));
                }
            }
        }
        self.parts.push(Part { nodes: (first as u32, self.nodes.len() as u32), leaves: leaves as u32 });
        Ok(())
    }

    /// Rows side by side.
    pub fn evaluate(&self, block: &[Lanes]) -> Lanes {
        #[cfg(target_arch = "x86_64")]
        if let Arch::V3(vectors) = Arch::new() {
            return vectors.vectorize(All { keeper: vectors, trees: self, block });
        }
        All { keeper: Plain, trees: self, block }.call()
    }

    /// One row: the same sum. `inputs` are numbers, and `plain` says which of them a feature is.
    pub fn evaluate_row(&self, inputs: &[f64], plain: &[usize]) -> f64 {
        self.by_threshold.evaluate(self.baseline, inputs, plain)
    }
}

/// Rules leaves out, in whichever vectors there are.
trait Keeper: Copy {
    /// Four rows' leaves: all are kept where the value is at most the threshold, else those of the mask.
    fn keep(self, left: [u64; 4], values: [f64; 4], node: &Node) -> [u64; 4];
}

#[derive(Clone, Copy)]
struct Plain;

impl Keeper for Plain {
    #[inline]
    fn keep(self, mut left: [u64; 4], values: [f64; 4], node: &Node) -> [u64; 4] {
        for (left, value) in left.iter_mut().zip(values) {
            *left &= node.mask | u64::from(value <= node.threshold).wrapping_neg();
        }
        left
    }
}

#[cfg(target_arch = "x86_64")]
impl Keeper for pulp::x86::V3 {
    #[allow(clippy::inline_always)]
    #[inline(always)]
    fn keep(self, left: [u64; 4], values: [f64; 4], node: &Node) -> [u64; 4] {
        let within = self.cmp_le_f64x4(pulp::cast(values), self.splat_f64x4(node.threshold));
        let kept = self.or_u64x4(pulp::cast(within), self.splat_u64x4(node.mask));
        pulp::cast(self.and_u64x4(pulp::cast(left), kept))
    }
}

struct All<'a, K> {
    keeper: K,
    trees: &'a Trees,
    block: &'a [Lanes],
}

impl<K: Keeper> NullaryFnOnce for All<'_, K> {
    type Output = Lanes;

    // Always: what is called from here would not be compiled for the wider vectors.
    #[allow(clippy::inline_always)]
    #[inline(always)]
    fn call(self) -> Lanes {
        let Self { keeper, trees, block } = self;
        let mut sums = [[0.0; LANES]; SUMS];
        sums[0] = [trees.baseline; LANES];
        for (number, part) in trees.parts.iter().enumerate() {
            let (mut a, mut b, mut c, mut d) = ([u64::MAX; 4], [u64::MAX; 4], [u64::MAX; 4], [u64::MAX; 4]);
            for node in &trees.nodes[part.nodes.0 as usize..part.nodes.1 as usize] {
                let [w0, w1, w2, w3, x0, x1, x2, x3, y0, y1, y2, y3, z0, z1, z2, z3] =
                    block[node.feature as usize];
                a = keeper.keep(a, [w0, w1, w2, w3], node);
                b = keeper.keep(b, [x0, x1, x2, x3], node);
                c = keeper.keep(c, [y0, y1, y2, y3], node);
                d = keeper.keep(d, [z0, z1, z2, z3], node);
            }
            let values = &trees.values[part.leaves as usize..];
            let sums = &mut sums[number % SUMS];
            let mut at = 0;
            for four in [a, b, c, d] {
                for left in four {
                    sums[at] += values[left.trailing_zeros() as usize];
                    at += 1;
                }
            }
        }
        let [a, b, c, d] = sums;
        std::array::from_fn(|at| total([a[at], b[at], c[at], d[at]]))
    }
}
