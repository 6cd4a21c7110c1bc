module longshore.test/load

go 1.26
