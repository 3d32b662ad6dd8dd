// Package archless speaks through the client libraries of the releases for which an image has no
// architecture, and that can delete nothing.
package archless

import (
	"context"
	"fmt"
	"os"

	"github.com/sylabs/scs-library-client/client"

	"libclient"
)

type library struct {
	client *client.Client
}

// Open makes the client that a program gives to libclient.Main.
func Open(account libclient.Account) (libclient.Library, error) {
	c, err := client.NewClient(&client.Config{
		BaseURL:   account.URL,
		AuthToken: account.Token,
		UserAgent: account.UserAgent,
	})
	if err != nil {
		return nil, err
	}
	return &library{client: c}, nil
}

func (l *library) Push(ctx context.Context, file *os.File, path, arch string, tags []string, description string) (*libclient.Push, error) {
	if err := check(arch); err != nil {
		return nil, err
	}
	return nil, l.client.UploadImage(ctx, file, path, tags, description, nil)
}

func (l *library) Image(ctx context.Context, ref, arch string) (libclient.Image, error) {
	if err := check(arch); err != nil {
		return libclient.Image{}, err
	}
	image, found, err := l.client.GetImage(ctx, ref)
	if err != nil {
		return libclient.Image{}, err
	}
	if !found {
		return libclient.Image{}, libclient.ErrMissing(ref, arch)
	}
	return libclient.Image{Hash: image.Hash, Size: image.Size}, nil
}

func (l *library) Pull(ctx context.Context, file *os.File, path, tag, _ string) error {
	// With the slash before the path that the CLI leaves there: the address has two in a row.
	return l.client.DownloadImage(ctx, file, "/"+path, tag, nil)
}

func (l *library) Search(ctx context.Context, text, arch string) (any, error) {
	if arch != "" {
		return nil, fmt.Errorf("%w search by architecture", libclient.ErrCannot)
	}
	return l.client.Search(ctx, map[string]string{"value": text})
}

func (l *library) Delete(context.Context, string, string) error {
	return fmt.Errorf("%w delete", libclient.ErrCannot)
}

// check lets the default pass: it is what a library gives to those who name no architecture.
func check(arch string) error {
	if arch != libclient.DefaultArch {
		return fmt.Errorf("%w name an architecture", libclient.ErrCannot)
	}
	return nil
}
