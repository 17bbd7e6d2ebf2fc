"""Writers and readers under a nemesis, and a checker for what they saw. docs/consistency.md section 3 has the promises."""
