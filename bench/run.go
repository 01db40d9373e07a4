// Command bench measures this library beside the stores that a Go program would keep its users in instead: the same
// users, the same requests, the same promises, one child process for each store and phase. See README.md.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Plan is what a run does.
type Plan struct {
	Small, Main, Large int // users; reading at all three sizes, everything at Main. 0 leaves a size out
	Reps               int
	Length             time.Duration // of each measurement
	Contenders         []Contender
	Rows               string // a regular expression; empty for all
	Seed               uint64
	Dir                string
	Profiles           string // a directory for CPU profiles, or empty
	Processor          bool   // measure processor time
	Log                io.Writer
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "child" {
		exit(child(os.Args[2:], os.Stdout))
	}
	exit(command(os.Args[1:]))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func command(args []string) error {
	flags := flag.NewFlagSet("bench", flag.ExitOnError)
	quick := flags.Bool("quick", false, "a run of under two minutes with few users, printed only")
	out := flags.String("o", "", "the file to write; a complete run writes RESULTS.md")
	sizes := flags.String("sizes", "10000,100000,1000000", "users for the small, the main and the large size; 0 leaves the small or large one out")
	reps := flags.Int("reps", 3, "repetitions")
	seconds := flags.Float64("seconds", 0.6, "length of each measurement")
	peers := flags.String("peers", "", "only these, by comma: "+strings.Join(contenderKeys(), ","))
	rows := flags.String("rows", "", "only rows whose id matches this regular expression")
	seed := flags.Uint64("seed", 1, "makes other users and requests")
	dir := flags.String("dir", os.TempDir(), "where the stores are put, on a real disk")
	profiles := flags.String("cpuprofile", "", "a directory for a CPU profile of each child process")
	processor := flags.Bool("processor", false, "measure processor time: waiting does not count, and neither does what else the machine does")
	flags.Parse(args)

	complete := flags.NFlag() == 0
	if *quick {
		given := map[string]bool{}
		flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
		for name, value := range map[string]string{"sizes": "0,10000,0", "reps": "1", "seconds": "0.05"} {
			if !given[name] {
				flags.Set(name, value)
			}
		}
	}
	plan := Plan{Reps: *reps, Length: time.Duration(*seconds * float64(time.Second)), Rows: *rows, Seed: *seed, Dir: *dir,
		Profiles: *profiles, Processor: *processor, Log: os.Stderr}
	if err := plan.choose(*sizes, *peers); err != nil {
		return err
	}
	began := time.Now()
	results, err := plan.run()
	if err != nil {
		return err
	}
	report := render(plan, describeMachine(*dir), results, began, time.Since(began))
	fmt.Print(report)
	if *out == "" && complete {
		*out = "RESULTS.md"
	}
	if *out == "" {
		return nil
	}
	return os.WriteFile(*out, []byte(report), 0o644)
}

func contenderKeys() (keys []string) {
	for _, c := range contenders {
		keys = append(keys, c.Key)
	}
	return keys
}

func (p *Plan) choose(sizes, peers string) error {
	parts := strings.Split(sizes, ",")
	if len(parts) != 3 {
		return fmt.Errorf("-sizes takes three numbers, not %q", sizes)
	}
	for i, to := range []*int{&p.Small, &p.Main, &p.Large} {
		n, err := strconv.Atoi(parts[i])
		if err != nil || n < 0 || n == 0 && to == &p.Main || n > 0 && n < 2000 {
			return fmt.Errorf("-sizes: %q is no number of users; 2,000 is the least", parts[i])
		}
		*to = n
	}
	if p.Small == p.Main || p.Main == p.Large || p.Large == p.Small && p.Small > 0 {
		return fmt.Errorf("-sizes: %q names a size twice", sizes)
	}
	if _, err := regexp.Compile(p.Rows); err != nil {
		return err
	}
	if p.Reps < 1 || p.Length <= 0 {
		return fmt.Errorf("-reps and -seconds must be above 0")
	}
	p.Contenders = contenders
	if peers == "" {
		return nil
	}
	p.Contenders = nil
	for name := range strings.SplitSeq(peers, ",") {
		c, ok := contender(name)
		if !ok {
			return fmt.Errorf("-peers: there is no %q", name)
		}
		p.Contenders = append(p.Contenders, c)
	}
	return nil
}

// run lets every contender do a phase before any does the next, at one size after the other, and begins each repetition
// with another: where the machine changes its pace, it changes it for all of them, and for all sizes.
func (p *Plan) run() (*Results, error) {
	root, err := os.MkdirTemp(p.Dir, "userstore-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(root)
	results := &Results{}
	failed := map[string]bool{} // by directory: what is in it is not to be relied on
	for rep := range p.Reps {
		order := slices.Concat(p.Contenders[rep%len(p.Contenders):], p.Contenders[:rep%len(p.Contenders)])
		for _, phase := range phases {
			for _, c := range order {
				for _, users := range []int{p.Small, p.Main, p.Large} {
					dir := filepath.Join(root, strconv.Itoa(users), c.Key)
					if users != 0 && !failed[dir] && p.runs(c, phase, users, rep) {
						failed[dir] = !p.runChild(results, c, phase, users, rep, dir)
					}
				}
			}
		}
		for _, users := range []int{p.Small, p.Main} { // the large size is loaded once
			dir := filepath.Join(root, strconv.Itoa(users))
			if err := os.RemoveAll(dir); err != nil {
				return nil, err
			}
			maps.DeleteFunc(failed, func(of string, _ bool) bool { return filepath.Dir(of) == dir })
		}
	}
	return results, nil
}

// runs tells whether a contender takes part in a phase. At the large size everybody is loaded once, and the in-memory
// ones would need too much memory.
func (p *Plan) runs(c Contender, phase string, users, rep int) bool {
	switch {
	case users != p.Main && c.Most > 0, users == p.Large && c.InMemory:
		return false
	case phase == phaseLoad:
		return !c.InMemory && (users != p.Large || rep == 0)
	case !p.measures(c, phase):
		return false
	case len(c.Phases) > 0 && !slices.Contains(c.Phases, phase):
		return false
	case phase == phaseServe:
		return !c.InMemory
	case phase == phaseRead:
		return true
	case users != p.Main:
		return false
	case phase == phaseWrite:
		return !c.InMemory
	case phase == phaseEmpty:
		return c.InMemory
	}
	return true
}

// measures tells whether any row of a phase that the contender has is asked for.
func (p *Plan) measures(c Contender, phase string) bool {
	for _, t := range tables {
		for _, row := range t.Rows {
			if row.Phase == phase && row.of(c) && p.wants(row.ID) {
				return true
			}
		}
	}
	return false
}

func (p *Plan) wants(row string) bool {
	found, err := regexp.MatchString(p.Rows, row)
	return err == nil && found
}

// longest is how long a child process may take.
const longest = 15 * time.Minute

func (p *Plan) runChild(results *Results, c Contender, phase string, users, rep int, dir string) (ok bool) {
	what := fmt.Sprintf("%s users, %s, %s, repetition %d", thousands(users), c.Title, phase, rep+1)
	began := time.Now()
	measured, err := p.startChild(c, phase, users, dir)
	fmt.Fprintf(p.Log, "%7.1f s  %s\n", time.Since(began).Seconds(), what)
	if err != nil {
		fmt.Fprintf(p.Log, "           failed: %v\n", err)
		results.Failures = append(results.Failures, fmt.Sprintf("%s: %v", what, err))
	}
	results.add(users, c.Key, measured)
	return err == nil
}

func (p *Plan) startChild(c Contender, phase string, users int, dir string) (map[string]float64, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), longest)
	defer cancel()
	cmd := exec.CommandContext(ctx, self, "child", "-peer", c.Key, "-phase", phase, "-users", strconv.Itoa(c.users(users)), "-dir", dir,
		"-length", p.Length.String(), "-rows", p.Rows, "-seed", strconv.FormatUint(p.Seed, 10), "-cpuprofile", p.Profiles,
		"-processor="+strconv.FormatBool(p.Processor))
	var said, failed bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &failed
	if err := cmd.Run(); err != nil {
		line, _, _ := strings.Cut(strings.TrimSpace(failed.String()), "\n")
		return nil, fmt.Errorf("%w: %s", err, line[:min(len(line), 300)])
	}
	var measured map[string]float64
	return measured, json.Unmarshal(said.Bytes(), &measured)
}

// child does one phase and says what it measured as JSON.
func child(args []string, to io.Writer) error {
	flags := flag.NewFlagSet("child", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // the error says it
	b := &bench{}
	peer := flags.String("peer", "", "")
	rows := flags.String("rows", "", "")
	profiles := flags.String("cpuprofile", "", "")
	processor := flags.Bool("processor", false, "")
	flags.StringVar(&b.phase, "phase", "", "")
	flags.StringVar(&b.dir, "dir", "", "")
	flags.IntVar(&b.Users, "users", 0, "")
	flags.Uint64Var(&b.Seed, "seed", 0, "")
	flags.DurationVar(&b.length, "length", 0, "")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var ok bool
	if b.contender, ok = contender(*peer); !ok {
		return fmt.Errorf("there is no peer %q", *peer)
	}
	match, err := regexp.Compile(*rows)
	if err != nil {
		return err
	}
	b.want = match.MatchString
	began := time.Now()
	if b.clock = func() time.Duration { return time.Since(began) }; *processor {
		b.clock = processorTime
	}
	stop, err := profile(*profiles, *peer+"-"+b.phase+"-"+strconv.Itoa(b.Users))
	if err != nil {
		return err
	}
	defer stop()
	measured, err := b.run()
	if err != nil {
		return err
	}
	return json.NewEncoder(to).Encode(measured)
}

// profile begins a CPU profile in a directory, if one is named.
func profile(dir, name string) (stop func(), err error) {
	if dir == "" {
		return func() {}, nil
	}
	f, err := os.Create(filepath.Join(dir, name+".pprof"))
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, err
	}
	return func() {
		pprof.StopCPUProfile()
		f.Close()
	}, nil
}
