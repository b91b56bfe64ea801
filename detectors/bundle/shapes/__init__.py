"""Shapes of the tensors that a graph computes, operator by operator, before any runtime sees it.

Every allowed operator has a rule, which takes the shapes of its inputs to those of its outputs. A
shape is exact: where it depends on the data, the operator is refused.
"""
