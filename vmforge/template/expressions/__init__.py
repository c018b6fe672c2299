"""Expressions to values: types, conversion, operators, scopes, as HCL and go-cty define them."""
