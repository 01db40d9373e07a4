package main

import (
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// choice is a flag with a fixed set of values. It completes in the shell.
type choice struct {
	value string
	of    []string
	given bool
}

func (c *choice) bind(cmd *cobra.Command, flags *pflag.FlagSet, name, usage string) {
	flags.Var(c, name, usage)
	_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(c.of, cobra.ShellCompDirectiveNoFileComp))
}

// String gives the value.
func (c *choice) String() string { return c.value }

// Set takes one of the values.
func (c *choice) Set(s string) error {
	if !slices.Contains(c.of, s) {
		return usagef("use one of %s", strings.Join(c.of, ", "))
	}
	c.value, c.given = s, true
	return nil
}

// Type names the values in the help.
func (c *choice) Type() string { return strings.Join(c.of, "|") }

// version is what the go command stamped the build with.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}
