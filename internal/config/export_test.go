package config

// ParseFile gives tests the parser of files.
func ParseFile(text []byte) (keys []string, err error) {
	entries, err := parseFile(text)
	for _, e := range entries {
		keys = append(keys, e.key)
	}
	return keys, err
}

// ParseRule gives tests the parser of rules.
func ParseRule(text string) (Rule, error) { return parseRule(text) }
