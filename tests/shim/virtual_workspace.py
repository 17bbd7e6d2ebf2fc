"""The virtual root that the workers of these tests are given."""

WORKSPACE = "/tmp/bifrost-test/workspace"
