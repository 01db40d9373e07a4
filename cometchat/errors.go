package cometchat

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/seed-3546c6b2/userstore"
)

// apiError is an error as CometChat writes it: {"error": {"message", "code", "details"}}.
type apiError struct {
	status  int
	Message string              `json:"message"`
	Code    string              `json:"code"`
	Details map[string][]string `json:"details,omitempty"`
}

func (e *apiError) Error() string { return e.Code + ": " + e.Message }

func fail(status int, code, format string, args ...any) *apiError {
	return &apiError{status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

func badRequest(format string, args ...any) *apiError {
	return fail(http.StatusBadRequest, "ERR_BAD_REQUEST", format, args...)
}

// refused is the answer to values that break a rule: field to what is wrong with it.
func refused(details map[string][]string) *apiError {
	e := badRequest("Failed validation")
	e.Details = details
	return e
}

func apiNotFound() *apiError {
	return fail(http.StatusNotFound, "ERR_API_NOT_FOUND", "The API endpoint is invalid. Please verify the API call.")
}

// uidNotFound echoes the uid as the service does: lower-cased, and still escaped if it came in the path.
func uidNotFound(uid string) *apiError {
	uid = strings.ToLower(uid)
	return fail(http.StatusNotFound, "ERR_UID_NOT_FOUND",
		"The UID %s does not exist, please make sure you have created a user with UID %s.", uid, uid)
}

func authTokenNotFound(token string) *apiError {
	return fail(http.StatusNotFound, "ERR_AUTH_TOKEN_NOT_FOUND", "The auth token %s does not exist.", token)
}

func roleNotFound(role string) *apiError {
	return fail(http.StatusNotFound, "ERR_ROLE_NOT_FOUND", "The role %s does not exist.", strings.ToLower(role))
}

// badToken logs the SDK out; any other code would leave its login hanging.
func badToken(token string) *apiError {
	return fail(http.StatusUnauthorized, "AUTH_ERR_AUTH_TOKEN_NOT_FOUND", "The auth token %s does not exist. "+
		"Please make sure you are logged in and have a valid auth token or try login again.", token)
}

// asAPIError gives every error its answer. What a handler did not foresee says nothing but that the call failed.
func asAPIError(err error) *apiError {
	var known *apiError
	var field *userstore.FieldError
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &field):
		return refused(map[string][]string{string(field.Field): {fieldText(field)}})
	case errors.Is(err, userstore.ErrClosed), errors.Is(err, userstore.ErrReadOnly),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fail(http.StatusServiceUnavailable, "ERR_OPERATION_FAILED", "The operation could not be carried out.")
	}
	return fail(http.StatusInternalServerError, "ERR_OPERATION_FAILED", "The operation failed.")
}

// fieldText words a broken rule as CometChat's validator does.
func fieldText(e *userstore.FieldError) string {
	f := e.Field
	switch e.Rule {
	case "is required":
		return fmt.Sprintf("The %s field is required.", f)
	case "is too long":
		if f == userstore.FieldMetadata {
			return fmt.Sprintf("The %s may not be greater than %d bytes.", f, e.Limit)
		}
		return fmt.Sprintf("The %s may not be greater than %d characters.", f, e.Limit)
	case "has too many entries":
		return fmt.Sprintf("The %s may not have more than %d items.", f, e.Limit)
	case "is not an absolute http or https URL":
		return fmt.Sprintf("The %s must be a valid URL.", f)
	case "is not a JSON object":
		return fmt.Sprintf("The %s must be an object.", f)
	case "does not exist":
		return fmt.Sprintf("The selected %s is invalid.", f)
	case "has characters that are not allowed":
		if f == userstore.FieldUID || f == userstore.FieldRole {
			return fmt.Sprintf("The %s may only contain letters, numbers, dashes and underscores.", f)
		}
		return fmt.Sprintf("The %s format is invalid.", f)
	}
	return fmt.Sprintf("The %s %s.", f, e.Rule)
}
