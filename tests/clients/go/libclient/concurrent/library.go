// Package concurrent speaks through the client libraries that download in several parts at once.
//
// Both families are meant: the newer one began as a copy of the older, and their packages have
// equal names and types. A program of the newer family replaces the module, not this source.
package concurrent

import (
	"cmp"
	"context"
	"errors"
	"os"

	"github.com/sylabs/scs-library-client/client"

	"libclient"
)

// As the CLIs set it when nobody says otherwise.
var download = client.Downloader{Concurrency: 3, PartSize: 5 << 20, BufferSize: 32 << 10}

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
	done, err := l.client.UploadImage(ctx, file, "library://"+path, arch, tags, description, nil)
	if err != nil || done == nil {
		return nil, err
	}
	return &libclient.Push{
		ContainerURL: done.ContainerURL,
		QuotaTotal:   done.Quota.QuotaTotalBytes,
		QuotaUsage:   done.Quota.QuotaUsageBytes,
	}, nil
}

func (l *library) Image(ctx context.Context, ref, arch string) (libclient.Image, error) {
	image, err := l.client.GetImage(ctx, arch, ref)
	if errors.Is(err, client.ErrNotFound) {
		return libclient.Image{}, libclient.ErrMissing(ref, arch)
	}
	if err != nil {
		return libclient.Image{}, err
	}
	return libclient.Image{Hash: image.Hash, Size: image.Size}, nil
}

func (l *library) Pull(ctx context.Context, file *os.File, path, tag, arch string) error {
	spec := download
	return l.client.ConcurrentDownloadImage(ctx, file, arch, path, tag, &spec, nil)
}

func (l *library) Search(ctx context.Context, text, arch string) (any, error) {
	// These CLIs always ask for an architecture: that of their machine unless the user names one.
	arch = cmp.Or(arch, libclient.DefaultArch)
	return l.client.Search(ctx, map[string]string{"value": text, "arch": arch})
}

func (l *library) Delete(ctx context.Context, ref, arch string) error {
	return l.client.DeleteImage(ctx, ref, arch)
}
