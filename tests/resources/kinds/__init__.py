"""One module for each kind of resource: what somebody else does with one by hand (`tests.resources.case.Case`)."""
