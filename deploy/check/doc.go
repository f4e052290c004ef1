// Package check holds that what is shipped in deploy is right: its tests load every
// file as the programs that it is for would.
package check
