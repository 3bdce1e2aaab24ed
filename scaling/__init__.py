"""How many workers each stage needs, and what that costs: a formula (`advisor`) and a simulation (`simulate`)."""
