// Package expr is the expression language of $filter and of REST selectors: it
// compiles expressions and evaluates them over one JSON object or one message.
package expr
