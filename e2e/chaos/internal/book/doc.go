// Package book knows what was published, by whom and when, and holds what each
// subscriber hears against it: nothing twice, nothing out of order, and nothing
// lost but what a fault explains. A loss is explained when the message was
// published in the window of a fault that concerns its publisher or its
// subscriber; that others lose something because of a fault is wrong.
package book
