// Package libclient drives a container library through the client library of a Singularity or
// Apptainer release. The command line and the answer are the same for all of them:
//
//	NAME about
//	NAME -url URL [-token-file FILE] push FILE REF [-arch A] [-description TEXT]
//	NAME -url URL [-token-file FILE] pull REF FILE [-arch A]
//	NAME -url URL [-token-file FILE] search TEXT [-arch A]
//	NAME -url URL [-token-file FILE] delete REF [-arch A]
//
// Without -arch a push, a pull and a delete are of amd64, and a search asks as the release's own CLI
// does. Without a tag a pull is of latest, and a push sets the tag that the release's own CLI sets,
// or none.
//
// One line of JSON on standard output: {"client": …, "result": …}, exit code 0, or
// {"client": …, "error": …}, exit code 1. Exit code 2 is a mistake in the call itself, exit code 3
// a call that is right and that this release has no way to make.
package libclient

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
)

// Account is where a library is, and who asks.
type Account struct {
	URL       string
	Token     string
	UserAgent string
}

// Release is the release that a program stands for.
type Release struct {
	// Name is the family and the version of the client library.
	Name string
	// CLI is the command line that is built on that version.
	CLI string
	// DefaultTag is set by a push whose user names no tag; empty where such a push sets none.
	DefaultTag string
	// OneBody says that it sends an image of any size as one body, since it knows no parts.
	OneBody bool
	// NoUsage says that it reads nothing of the answer to a push, neither address nor quota.
	NoUsage bool
	// Open makes the client.
	Open func(Account) (Library, error)
}

// DefaultArch is the architecture of what is pushed, pulled or deleted when nobody says another.
const DefaultArch = "amd64"

// ErrCannot is returned for what the release's own CLI has no command or no option for.
var ErrCannot = errors.New("this release cannot")

// ErrMissing is what the CLIs say of an image that is not there: they drop the server's words here.
func ErrMissing(ref, arch string) error {
	return fmt.Errorf("image does not exist in the library: %s (%s)", ref, arch)
}

// Image is what the library says of an image before its bytes are fetched.
type Image struct {
	Hash string `json:"hash"`
	Size int64  `json:"size"`
}

// Push is what the library says after an upload; nil where nothing had to be uploaded, and where the
// release does not read it.
type Push struct {
	ContainerURL string `json:"containerUrl"`
	QuotaTotal   int64  `json:"quotaTotal"`
	QuotaUsage   int64  `json:"quotaUsage"`
}

// Library is what every version of the client libraries can do, in types of no version.
type Library interface {
	// Push sends a file to "entity/collection/container" under the tags, of which there may be none.
	Push(ctx context.Context, file *os.File, path, arch string, tags []string, description string) (*Push, error)
	// Image looks up "entity/collection/container:tag" or the same with a hash.
	Image(ctx context.Context, ref, arch string) (Image, error)
	// Pull writes the bytes of what Image describes, as the release's own CLI fetches them.
	Pull(ctx context.Context, file *os.File, path, tag, arch string) error
	// Search gives the answer as the library decoded it; arch may be empty.
	Search(ctx context.Context, text, arch string) (any, error)
	// Delete removes what a ref means for one architecture.
	Delete(ctx context.Context, ref, arch string) error
}

// Main runs one command as the release would, and ends the process.
func Main(release Release) {
	flags := flag.NewFlagSet(release.Name, flag.ExitOnError)
	url := flags.String("url", "", "base address of the library")
	tokenFile := flags.String("token-file", "", "a file with the token on its first line")
	_ = flags.Parse(os.Args[1:])

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()

	result, err := func() (any, error) {
		if flags.Arg(0) == "about" {
			return map[string]any{
				"cli":        release.CLI,
				"defaultTag": release.DefaultTag,
				"sendsParts": !release.OneBody,
				"readsUsage": !release.NoUsage,
			}, nil
		}
		token, err := readToken(*tokenFile)
		if err != nil {
			return nil, err
		}
		agent := "libclient " + release.Name
		library, err := release.Open(Account{URL: *url, Token: token, UserAgent: agent})
		if err != nil {
			return nil, err
		}
		return run(ctx, release, library, flags.Args())
	}()

	answer := map[string]any{"client": release.Name, "result": result}
	code := 0
	if err != nil {
		answer = map[string]any{"client": release.Name, "error": err.Error()}
		code = 1
	}
	if errors.Is(err, errCall) {
		code = 2
	}
	if errors.Is(err, ErrCannot) {
		code = 3
	}
	_ = json.NewEncoder(os.Stdout).Encode(answer)
	os.Exit(code)
}

var errCall = errors.New("wrong call")

func readToken(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("%w: %w", errCall, err)
	}
	line, _, _ := strings.Cut(string(content), "\n")
	return strings.TrimSpace(line), nil
}

// What follows each command, before its flags.
var operands = map[string]int{"push": 2, "pull": 2, "search": 1, "delete": 1}

func run(ctx context.Context, release Release, library Library, args []string) (any, error) {
	if len(args) == 0 || operands[args[0]] == 0 || len(args) <= operands[args[0]] {
		return nil, fmt.Errorf("%w: about, push FILE REF, pull REF FILE, search TEXT or delete REF", errCall)
	}
	command, args := args[0], args[1:]
	words, rest := args[:operands[command]], args[operands[command]:]

	flags := flag.NewFlagSet(command, flag.ExitOnError)
	given := flags.String("arch", "", "architecture, as Go names it")
	description := flags.String("description", "", "description of a pushed image")
	_ = flags.Parse(rest)
	arch := cmp.Or(*given, DefaultArch)

	switch command {
	case "push":
		path, tags := split(words[1])
		tags = cmp.Or(tags, release.DefaultTag)
		return push(ctx, library, words[0], path, tags, arch, *description)
	case "pull":
		return pull(ctx, library, words[0], words[1], arch)
	case "search":
		return library.Search(ctx, words[0], *given)
	default:
		return nil, library.Delete(ctx, strings.TrimPrefix(words[0], "library://"), arch)
	}
}

func push(ctx context.Context, library Library, name, path, tags, arch, description string) (any, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errCall, err)
	}
	defer file.Close()

	var list []string
	if tags != "" {
		list = strings.Split(tags, ",")
	}
	answer, err := library.Push(ctx, file, path, arch, list, description)
	return answer, err
}

// pull leaves a file only when its bytes are those that the library has named, as the CLIs do.
func pull(ctx context.Context, library Library, ref, name, arch string) (any, error) {
	path, tag := split(ref)
	tag = cmp.Or(tag, "latest")
	image, err := library.Image(ctx, path+":"+tag, arch)
	if err != nil {
		return nil, err
	}

	file, err := os.Create(name)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errCall, err)
	}
	defer file.Close()

	err = library.Pull(ctx, file, path, tag, arch)
	if err == nil {
		err = compare(file, image)
	}
	if err != nil {
		_ = os.Remove(name)
		return nil, err
	}
	return image, nil
}

func compare(file *os.File, image Image) error {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return err
	}
	if hash := "sha256." + hex.EncodeToString(sum.Sum(nil)); hash != image.Hash {
		return fmt.Errorf("received %s, expected %s", hash, image.Hash)
	}
	return nil
}

// split takes "library://entity/collection/container:tag" apart. The tag may be missing.
func split(ref string) (path, tag string) {
	path, tag, _ = strings.Cut(strings.TrimPrefix(ref, "library://"), ":")
	return path, tag
}
