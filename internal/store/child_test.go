package store

const childEnv = "STORE_TEST_CHILD"

func runChild(part string) int { return 2 }
