//! Simulated vendors: forged Evidence of every kind under test roots.
