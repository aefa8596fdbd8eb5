package expr

// needs lists the names that the value of a node depends on whatever is decided on the
// way: a missing one makes the whole expression undefined, also where || or && do not
// evaluate what they stand in [EXT-EXP-1]. Names with $, names that exists() asks for
// and the branches of ?: and if() are not among them.
func needs(n node, list []*name) []*name {
	switch n := n.(type) {
	case *reference:
		if !n.orNull {
			list = append(list, &n.name)
		}
	case *choice:
		list = needs(n.condition, list)
	case *logic:
		for _, v := range n.values {
			list = needs(v, list)
		}
	case *not:
		list = needs(n.of, list)
	case *signed:
		list = needs(n.of, list)
	case *arithmetic:
		list = needs(n.first, list)
		for i := range n.rest {
			list = needs(n.rest[i].value, list)
		}
	case *comparison:
		if n.left != nil { // nil in a row: what came before is on the left
			list = needs(n.left, list)
		}
		list = needs(n.right, list)
	case *comparisons:
		list = needs(n.first, list)
		for _, c := range n.rest {
			list = needs(c, list)
		}
	case *call:
		arguments := n.arguments
		if n.function.Name == "if" {
			arguments = arguments[:1]
		}
		for _, a := range arguments {
			list = needs(a, list)
		}
	}
	return list
}

// newLogic makes a row of || or of &&.
func newLogic(or bool, values []node) *logic {
	l := &logic{or: or, values: values, after: make([][]*name, len(values))}
	var list []*name
	for i := len(values) - 1; i >= 0; i-- {
		// The names of what stands behind a value are the beginning of a longer list.
		l.after[i] = list[:len(list):len(list)]
		list = needs(values[i], list)
	}
	return l
}
