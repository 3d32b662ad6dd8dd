// Package libclient drives a container library through the client library of a Singularity or
// Apptainer release. The command line and the answer are the same for all of them:
//
//	NAME -url URL [-token-file FILE] push FILE REF [-arch A] [-description TEXT]
//	NAME -url URL [-token-file FILE] pull REF FILE [-arch A]
//	NAME -url URL [-token-file FILE] search TEXT [-arch A]
//	NAME -url URL [-token-file FILE] delete REF [-arch A]
//
// One line of JSON on standard output: {"client": …, "result": …}, exit code 0, or
// {"client": …, "error": …}, exit code 1. Exit code 2 is a mistake in the call itself.
package libclient

import (
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

// Image is what the library says of an image before its bytes are fetched.
type Image struct {
	Hash string `json:"hash"`
	Size int64  `json:"size"`
}

// Push is what the library says after an upload; nil where nothing had to be uploaded.
type Push struct {
	ContainerURL string `json:"containerUrl"`
	QuotaTotal   int64  `json:"quotaTotal"`
	QuotaUsage   int64  `json:"quotaUsage"`
}

// Library is what every version of the client libraries can do, in types of no version.
type Library interface {
	// Push sends a file to "entity/collection/container" under the tags.
	Push(ctx context.Context, file *os.File, path, arch string, tags []string, description string) (*Push, error)
	// Image looks up "entity/collection/container:tag" or the same with a hash.
	Image(ctx context.Context, ref, arch string) (Image, error)
	// Pull writes the bytes of what Image describes, as the release's own CLI fetches them.
	Pull(ctx context.Context, file *os.File, path, tag, arch string) error
	// Search gives the answer as the library decoded it.
	Search(ctx context.Context, text, arch string) (any, error)
	// Delete removes what a ref means for one architecture.
	Delete(ctx context.Context, ref, arch string) error
}

// Main runs one command against the library that open gives, and ends the process.
func Main(name string, open func(Account) (Library, error)) {
	flags := flag.NewFlagSet(name, flag.ExitOnError)
	url := flags.String("url", "", "base address of the library")
	tokenFile := flags.String("token-file", "", "a file with the token on its first line")
	_ = flags.Parse(os.Args[1:])

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()

	result, err := func() (any, error) {
		token, err := readToken(*tokenFile)
		if err != nil {
			return nil, err
		}
		library, err := open(Account{URL: *url, Token: token, UserAgent: "libclient " + name})
		if err != nil {
			return nil, err
		}
		return run(ctx, library, flags.Args())
	}()

	answer := map[string]any{"client": name, "result": result}
	code := 0
	if err != nil {
		answer = map[string]any{"client": name, "error": err.Error()}
		code = 1
	}
	if errors.Is(err, errCall) {
		code = 2
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

func run(ctx context.Context, library Library, args []string) (any, error) {
	if len(args) == 0 || operands[args[0]] == 0 || len(args) <= operands[args[0]] {
		return nil, fmt.Errorf("%w: push FILE REF, pull REF FILE, search TEXT or delete REF", errCall)
	}
	command, args := args[0], args[1:]
	words, rest := args[:operands[command]], args[operands[command]:]

	flags := flag.NewFlagSet(command, flag.ExitOnError)
	arch := flags.String("arch", "amd64", "architecture, as Go names it")
	description := flags.String("description", "", "description of a pushed image")
	_ = flags.Parse(rest)

	switch command {
	case "push":
		return push(ctx, library, words[0], words[1], *arch, *description)
	case "pull":
		return pull(ctx, library, words[0], words[1], *arch)
	case "search":
		return library.Search(ctx, words[0], *arch)
	default:
		return nil, library.Delete(ctx, strings.TrimPrefix(words[0], "library://"), *arch)
	}
}

func push(ctx context.Context, library Library, name, ref, arch, description string) (any, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errCall, err)
	}
	defer file.Close()

	path, tags := split(ref)
	answer, err := library.Push(ctx, file, path, arch, strings.Split(tags, ","), description)
	return answer, err
}

// pull leaves a file only when its bytes are those that the library has named, as the CLIs do.
func pull(ctx context.Context, library Library, ref, name, arch string) (any, error) {
	path, tag := split(ref)
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

// split takes "library://entity/collection/container:tag" apart. Without a tag it is latest.
func split(ref string) (path, tag string) {
	path, tag, found := strings.Cut(strings.TrimPrefix(ref, "library://"), ":")
	if !found {
		return path, "latest"
	}
	return path, tag
}
