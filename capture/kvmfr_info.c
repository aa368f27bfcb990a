// SPDX-License-Identifier: MIT
/* Who produces the frames; see kvmfr_info.h. */
#include "capture/kvmfr_info.h"

#include <stdio.h>
#include <string.h>

#include "common/text.h"

#define USER_DATA_MAX 4096

static const struct kvmfr_frame_layout layout_b6 = KVMFR_FRAME_LAYOUT_B6;
static const struct kvmfr_frame_layout layout_b7 = KVMFR_FRAME_LAYOUT_B7;

/* Both numbers count: a development version has one of them only. */
static const struct kvmfr_frame_layout *find_layout(uint32_t lgmp, uint32_t kvmfr)
{
	if (lgmp == LGMP_VERSION_B7 && kvmfr == KVMFR_VERSION_B7) {
		return &layout_b7;
	}
	return lgmp == LGMP_VERSION_B6 && kvmfr == KVMFR_VERSION_B6 ? &layout_b6 : NULL;
}

static void read_uuid(char *to, size_t size, const uint8_t *u)
{
	snprintf(to, size, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		 u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12],
		 u[13], u[14], u[15]);
}

static void read_records(const uint8_t *data, size_t size, struct kvmfr_info *info)
{
	struct kvmfr_record record;

	while (size >= sizeof(record)) {
		memcpy(&record, data, sizeof(record));
		data += sizeof(record);
		size -= sizeof(record);
		if (record.size > size) {
			return;
		}
		if (record.type == KVMFR_RECORD_VM &&
		    record.size >= sizeof(struct kvmfr_record_vm)) {
			read_uuid(info->uuid, sizeof(info->uuid), data);
		}
		data += record.size;
		size -= record.size;
	}
}

void kvmfr_info_read(const struct lgmp_client *client, struct kvmfr_info *info)
{
	uint8_t data[USER_DATA_MAX];
	uint32_t size = shared_load(client->memory, offsetof(struct lgmp_header, user_data_size));
	struct kvmfr_header header;

	*info = (struct kvmfr_info){ 0 };
	size = size > sizeof(data) ? sizeof(data) : size;
	if (size < sizeof(header) ||
	    shared_read(client->memory, offsetof(struct lgmp_header, user_data), data, size) < 0) {
		return;
	}
	memcpy(&header, data, sizeof(header));
	if (memcmp(header.magic, KVMFR_MAGIC, sizeof(header.magic)) != 0) {
		return;
	}
	info->version = header.version;
	info->layout = find_layout(client->version, header.version);
	text_copy_printable(info->producer, sizeof(info->producer), (const uint8_t *)header.producer,
		  sizeof(header.producer));
	read_records(data + sizeof(header), size - sizeof(header), info);
}

/* Later producers say their versions there, whatever else they changed. */
static uint32_t recovery_version(const struct shared_memory *memory)
{
	uint64_t start = memory->size - KVMFR_RECOVERY_SIZE;
	char magic[8];

	if (memory->size < KVMFR_RECOVERY_SIZE ||
	    shared_read(memory, start, magic, sizeof(magic)) < 0 ||
	    memcmp(magic, KVMFR_RECOVERY_MAGIC, sizeof(magic)) != 0) {
		return 0;
	}
	return shared_load(memory, start + KVMFR_RECOVERY_KVMFR_VERSION);
}

void kvmfr_info_advise(const struct lgmp_client *client, const struct kvmfr_info *info, char *text,
		       size_t size)
{
	uint32_t version = info->version ? info->version : recovery_version(client->memory);
	bool old = client->version < LGMP_VERSION_B6 ||
		   (client->version <= LGMP_VERSION_B7 && version < KVMFR_VERSION_B6);
	char number[32] = "";

	if (version) {
		snprintf(number, sizeof(number), ", KVMFR %u", version);
	}
	snprintf(
		text, size,
		"the capture program in the guest is too %s (LGMP %u%s): install the Looking Glass "
		"host program of release B7 there",
		old ? "old" : "new", client->version, number);
}
