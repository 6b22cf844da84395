/*
 * samples.h
 *		Answers as Intuit gives them (all ids, names and tokens are synthetic): for unit tests and as seeds for fuzzing.
 */
#ifndef QBSYNC_SAMPLES_H
#define QBSYNC_SAMPLES_H

#define SAMPLE_QUERY \
	"{\"QueryResponse\":{\"Customer\":[{\"Id\":\"42\",\"DisplayName\":\"Northwind Paper\",\"SyncToken\":\"3\"}],\n" \
	"                  \"startPosition\":1,\"maxResults\":1},\n" \
	" \"time\":\"2026-11-22T03:14:15.926-08:00\"}"

#define SAMPLE_COUNT \
	"{\"QueryResponse\":{\"totalCount\":1287},\"time\":\"2026-11-22T03:14:15.926-08:00\"}"

#define SAMPLE_EMPTY \
	"{\"QueryResponse\":{},\"time\":\"2026-11-22T03:14:15.926-08:00\"}"

#define SAMPLE_CDC \
	"{\"CDCResponse\":[\n" \
	"  {\"QueryResponse\":[\n" \
	"     {\"Customer\":[\n" \
	"        {\"Id\":\"42\",\"SyncToken\":\"4\",\"domain\":\"QBO\",\"sparse\":false,\"DisplayName\":\"Northwind Paper\",\n" \
	"         \"Active\":true,\"MetaData\":{\"CreateTime\":\"2026-01-05T09:00:00-08:00\"," \
	"\"LastUpdatedTime\":\"2026-11-21T10:11:12-08:00\"}},\n" \
	"        {\"Id\":\"57\",\"SyncToken\":\"2\",\"domain\":\"QBO\",\"sparse\":false,\"DisplayName\":\"Old Client (deleted)\",\n" \
	"         \"FullyQualifiedName\":\"Old Client (deleted)\",\"Active\":false,\n" \
	"         \"MetaData\":{\"CreateTime\":\"2025-03-01T09:00:00-08:00\",\"LastUpdatedTime\":\"2026-11-21T10:20:00-08:00\"}}],\n" \
	"      \"startPosition\":1,\"maxResults\":2},\n" \
	"     {\"Invoice\":[\n" \
	"        {\"Id\":\"301\",\"SyncToken\":\"5\",\"TotalAmt\":0,\"Balance\":0,\"PrivateNote\":\"Voided\",\"domain\":\"QBO\",\"sparse\":false},\n" \
	"        {\"domain\":\"QBO\",\"status\":\"Deleted\",\"Id\":\"298\",\"MetaData\":{\"LastUpdatedTime\":\"2026-11-21T09:00:01-08:00\"}}],\n" \
	"      \"startPosition\":1,\"maxResults\":2,\"totalCount\":2},\n" \
	"     {}\n" \
	"  ]}],\n" \
	" \"time\":\"2026-11-22T03:14:15.926-08:00\"}"

#define SAMPLE_SINGLE \
	"{\"Customer\":{\"Id\":\"42\",\"SyncToken\":\"0\",\"domain\":\"QBO\",\"sparse\":false,\"DisplayName\":\"Northwind Paper\",\n" \
	"  \"FullyQualifiedName\":\"Northwind Paper\",\"Active\":true,\"Taxable\":true,\"Job\":false,\"Balance\":0,\n" \
	"  \"CurrencyRef\":{\"value\":\"USD\",\"name\":\"United States Dollar\"},\"PrimaryEmailAddr\":{\"Address\":\"ap@northwind.example\"},\n" \
	"  \"MetaData\":{\"CreateTime\":\"2026-11-22T03:14:15-08:00\",\"LastUpdatedTime\":\"2026-11-22T03:14:15-08:00\"}},\n" \
	" \"time\":\"2026-11-22T03:14:15.926-08:00\"}"

#define SAMPLE_SERVICE_FAULT \
	"{\"Fault\":{\"Error\":[{\"Message\":\"Stale Object Error\",\n" \
	"   \"Detail\":\"Stale Object Error : You and Mara Lind were working on this at the same time. " \
	"Mara Lind finished before you did, so your work was not saved.\",\n" \
	"   \"code\":\"5010\",\"element\":\"\"}],\"type\":\"ValidationFault\"},\n" \
	" \"time\":\"2026-11-22T03:14:15.926-08:00\"}"

#define SAMPLE_GATEWAY_FAULT \
	"{\"warnings\":null,\"intuitObject\":null,\n" \
	" \"fault\":{\"error\":[{\"message\":\"message=AuthenticationFailed; errorCode=003200; statusCode=401\"," \
	"\"detail\":\"Token expired: ...\",\"code\":\"3200\",\"element\":null}],\n" \
	"          \"type\":\"AUTHENTICATION\"},\n" \
	" \"report\":null,\"queryResponse\":null,\"batchItemResponse\":[],\"attachableResponse\":[],\"syncErrorResponse\":null,\n" \
	" \"requestId\":null,\"time\":1795346055926,\"status\":null,\"cdcresponse\":[]}"

#define SAMPLE_XML_FAULT \
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?><IntuitResponse time=\"2026-11-22T03:14:15.926-08:00\">" \
	"<Fault type=\"AUTHENTICATION\"><Error code=\"3200\" element=\"\"><Message>message=AuthenticationFailed; errorCode=003200</Message>" \
	"<Detail>Token expired</Detail></Error></Fault></IntuitResponse>"

#define SAMPLE_HTML \
	"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><center><h1>502 Bad Gateway</h1></center></body></html>"

#define SAMPLE_OAUTH_ERROR \
	"{\"error\":\"invalid_grant\",\"error_description\":\"Incorrect or invalid refresh token\"}"

#define SAMPLE_TOKENS \
	"{\"token_type\":\"bearer\",\n" \
	" \"access_token\":\"eyJlbmMi...\",\n" \
	" \"expires_in\":3600,\n" \
	" \"refresh_token\":\"RT1-12-H0-1771234567abcdefgh\",\n" \
	" \"x_refresh_token_expires_in\":8726400,\n" \
	" \"x_refresh_token_hard_expires_in\":156032154,\n" \
	" \"id_token\":\"eyJraWQi...\"}"

#endif							/* QBSYNC_SAMPLES_H */
