//! Nothing: the package is its UI tests.
