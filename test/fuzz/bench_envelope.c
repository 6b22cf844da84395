/*
 * bench_envelope.c
 *		How fast a page of a thousand customers (about 1.2 MB) is understood.
 */
#include "postgres.h"

#include <time.h>

#include "quickbooks/envelope.h"
#include "quickbooks/fault.h"

#define ROUNDS 400

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* Append a customer such as QuickBooks gives. */
static size_t
customer(char *out, size_t room, int id)
{
	return snprintf(out, room,
					"{\"Taxable\":true,\"BillAddr\":{\"Id\":\"%d\",\"Line1\":\"%d Ocean View Drive\",\"City\":\"Half Moon Bay\","
					"\"CountrySubDivisionCode\":\"CA\",\"PostalCode\":\"94213\",\"Country\":\"USA\"},"
					"\"ShipAddr\":{\"Id\":\"%d\",\"Line1\":\"%d Ocean View Drive\",\"City\":\"Half Moon Bay\","
					"\"CountrySubDivisionCode\":\"CA\",\"PostalCode\":\"94213\"},\"Notes\":\"Prefers deliveries in the morning; ask for Mara.\","
					"\"Job\":false,\"BillWithParent\":false,\"Balance\":%d.50,\"BalanceWithJobs\":%d.50,"
					"\"CurrencyRef\":{\"value\":\"USD\",\"name\":\"United States Dollar\"},\"PreferredDeliveryMethod\":\"Print\","
					"\"IsProject\":false,\"ClientEntityId\":\"0\",\"domain\":\"QBO\",\"sparse\":false,\"Id\":\"%d\",\"SyncToken\":\"3\","
					"\"MetaData\":{\"CreateTime\":\"2026-01-05T09:00:00-08:00\",\"LastUpdatedTime\":\"2026-11-21T10:11:12-08:00\"},"
					"\"GivenName\":\"Mara\",\"FamilyName\":\"Lind\",\"FullyQualifiedName\":\"Northwind Paper No. %d\","
					"\"CompanyName\":\"Northwind Paper No. %d\",\"DisplayName\":\"Northwind Paper No. %d\","
					"\"PrintOnCheckName\":\"Northwind Paper No. %d\",\"Active\":true,\"V4IDPseudonym\":\"00209811f2d5c1a8a24\","
					"\"PrimaryPhone\":{\"FreeFormNumber\":\"(415) 555-%04d\"},\"Mobile\":{\"FreeFormNumber\":\"(415) 555-%04d\"},"
					"\"PrimaryEmailAddr\":{\"Address\":\"ap%d@northwind.example\"},\"WebAddr\":{\"URI\":\"https://northwind.example\"},"
					"\"SalesTermRef\":{\"value\":\"3\",\"name\":\"Net 30\"},\"DefaultTaxCodeRef\":{\"value\":\"2\"}}",
					id, id, id + 1, id, id, id, id, id, id, id, id, id % 10000, id % 10000, id);
}

int
main(void)
{
	size_t		room = 4 * 1024 * 1024;
	char	   *page = malloc(room);
	size_t		len = snprintf(page, room, "{\"QueryResponse\":{\"Customer\":[");
	double		scan_time;
	double		fault_time;
	Envelope	envelope;
	Fault		fault;

	for (int i = 0; i < 1000; i++)
	{
		len += customer(page + len, room - len, 1000 + i);
		page[len++] = ',';
	}
	len--;
	len += snprintf(page + len, room - len, "],\"startPosition\":1,\"maxResults\":1000},\"time\":\"2026-11-22T03:14:15.926-08:00\"}");

	scan_time = now();
	for (int i = 0; i < ROUNDS; i++)
	{
		if (!envelope_scan(page, len, &envelope) || envelope.nrecords != 1000)
			abort();
		shim_reset();
	}
	scan_time = now() - scan_time;

	fault_time = now();
	for (int i = 0; i < ROUNDS; i++)
	{
		if (fault_parse(200, "application/json", page, len, -1, &fault))
			abort();
	}
	fault_time = now() - fault_time;

	printf("page of %zu bytes: envelope_scan %.0f MB/s, fault_parse %.0f MB/s\n",
		   len, len * (double) ROUNDS / scan_time / 1e6, len * (double) ROUNDS / fault_time / 1e6);
	free(page);
	return 0;
}
