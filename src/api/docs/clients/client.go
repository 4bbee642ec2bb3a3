// Lists all contacts page by page, then creates one.   TL=… KEY=… CONN=… go run client.go
package main

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

type contact struct {
	ID       string  `json:"id"`
	LastName *string `json:"last_name"`
}

type problem struct {
	Code, Detail string
	Retryable    bool
	RetryAfter   int    `json:"retry_after"`
	RequestID    string `json:"request_id"`
}

func call(method, path, body string, into any) error {
	id := make([]byte, 16)
	if _, err := rand.Read(id); err != nil {
		return err
	}
	for attempt := 1; ; attempt++ {
		request, err := http.NewRequest(method, os.Getenv("TL")+path, strings.NewReader(body))
		if err != nil {
			return err
		}
		request.Header.Set("Authorization", "Bearer "+os.Getenv("KEY"))
		request.Header.Set("Throughline-Connection", os.Getenv("CONN"))
		if body != "" {
			request.Header.Set("Content-Type", "application/json")
			request.Header.Set("Idempotency-Key", fmt.Sprintf("%x", id)) // the same for all attempts
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		if answer.StatusCode < 300 {
			return json.NewDecoder(answer.Body).Decode(into)
		}
		var told problem
		if err := json.NewDecoder(answer.Body).Decode(&told); err != nil {
			return err
		}
		if !told.Retryable || attempt == 5 {
			return fmt.Errorf("%s: %s (%s)", told.Code, told.Detail, told.RequestID)
		}
		if told.RetryAfter == 0 {
			told.RetryAfter = 1 << attempt
		}
		time.Sleep(time.Duration(told.RetryAfter) * time.Second)
	}
}

func main() {
	for query := "?limit=10&fields=last_name"; query != ""; {
		var page struct {
			Data       []contact
			NextCursor *string `json:"next_cursor"`
		}
		if err := call("GET", "/v1/crm/contacts"+query, "", &page); err != nil {
			log.Fatal(err)
		}
		for _, one := range page.Data {
			if one.LastName == nil {
				fmt.Println(one.ID)
			} else {
				fmt.Println(one.ID, *one.LastName)
			}
		}
		query = ""
		if page.NextCursor != nil {
			query = "?cursor=" + url.QueryEscape(*page.NextCursor)
		}
	}
	var made contact
	if err := call("POST", "/v1/crm/contacts", `{"first_name": "Ada", "last_name": "Byron"}`, &made); err != nil {
		log.Fatal(err)
	}
	fmt.Println("created", made.ID)
}
