// Command known calls what GO-2021-0113 is about, so that scripts/vuln.sh can tell that it would be found.
package main

import "golang.org/x/text/language"

func main() { _, _ = language.Parse("en") }
