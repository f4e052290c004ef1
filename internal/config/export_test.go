package config

// ParseFile gives tests the parser of files.
func ParseFile(text []byte) (keys []string, err error) {
	entries, err := parseFile(text)
	for _, e := range entries {
		keys = append(keys, e.key)
	}
	return keys, err
}

// ParseRule gives tests the parser of rules of --channel-overflow.
func ParseRule(text string) (Rule, error) { return overflowRules.parse(text) }

// ParseBatch gives tests the parser of rules of --channel-batch.
func ParseBatch(text string) (Batch, error) { return batchRules.parse(text) }

// MarkdownOf gives tests the table of another grammar's options.
func MarkdownOf(grammar any) (string, error) { return markdown(grammar) }
