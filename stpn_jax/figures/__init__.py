"""Pictures of what a network sees and answers, drawn without global state."""
