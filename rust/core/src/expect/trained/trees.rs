//! Gradient-boosted trees, evaluated without following their branches.
//!
//! A tree's leaves are numbered from left to right, a bit each. A node that sends a row to the right rules out the
//! leaves on its left; the row's leaf is the first that no node has ruled out. All nodes of a tree are asked, many rows
//! at once, so nothing hangs on what the processor guesses.

use super::file::{Boosted, Tree};
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

/// `baseline + sum of trees`, added in their order.
#[derive(Debug, Clone, PartialEq)]
pub struct Trees {
    baseline: f64,
    nodes: Vec<Node>,
    values: Vec<f64>,
    parts: Vec<Part>,
}

impl Trees {
    /// On so many features.
    pub fn new(boosted: &Boosted, features: usize) -> Result<Self> {
        if !boosted.baseline.is_finite() {
            return Err(Error::model("the model file must have a finite `baseline`"));
        }
        let mut trees =
            Self { baseline: boosted.baseline, nodes: Vec::new(), values: Vec::new(), parts: Vec::new() };
        for (at, tree) in boosted.trees.iter().enumerate() {
            trees
                .add(tree, features)
                .map_err(|what| Error::model(format!("tree {at} of the model file {what}")))?;
        }
        Ok(trees)
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
        let mut sums = [self.baseline; LANES];
        pulp::Arch::new().dispatch(
            #[inline(always)]
            || {
                for part in &self.parts {
                    let mut left = [u64::MAX; LANES];
                    for node in &self.nodes[part.nodes.0 as usize..part.nodes.1 as usize] {
                        let values = &block[node.feature as usize];
                        for (left, value) in left.iter_mut().zip(values) {
                            *left &= if *value > node.threshold { node.mask } else { u64::MAX };
                        }
                    }
                    for (sum, left) in sums.iter_mut().zip(left) {
                        *sum += self.values[part.leaves as usize + left.trailing_zeros() as usize];
                    }
                }
            },
        );
        sums
    }

    /// One row: the same sum.
    pub fn evaluate_row(&self, feature: impl Fn(usize) -> f64) -> f64 {
        self.parts.iter().fold(self.baseline, |sum, part| {
            let nodes = &self.nodes[part.nodes.0 as usize..part.nodes.1 as usize];
            let left = nodes.iter().fold(u64::MAX, |left, node| {
                left & if feature(node.feature as usize) > node.threshold { node.mask } else { u64::MAX }
            });
            sum + self.values[part.leaves as usize + left.trailing_zeros() as usize]
        })
    }
}
