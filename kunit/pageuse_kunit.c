// SPDX-License-Identifier: GPL-2.0
/*
 * Suite quarry_pageuse: what users may do with memory of a heap, case by case as in
 * Documentation/pages.rst, and what they may not and how it shows.
 */
#include <linux/bio.h>
#include <linux/dma-mapping.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/net.h>
#include <linux/page_ref.h>
#include <linux/platform_device.h>
#include <linux/scatterlist.h>
#include <linux/set_memory.h>
#include <linux/uaccess.h>
#include <linux/uio.h>
#include <linux/vmalloc.h>
#include "helpers.h"

/* What the cases share: pieces of every kind of memory that a heap hands out. */
#define NR_PIECES	5
#define RUN_PAGES	5U
#define OBJ_SIZE	200U
#define BIG_SIZE	(QUARRY_CLASS_MAX_SIZE + 1000)
#define ARENA_SIZE	6000U

struct piece {
	void *addr;
	size_t len;
	const char *what;
};

struct pieces {
	struct quarry_heap *heap;
	struct quarry_cache *cache;
	struct quarry_arena *arena;
	struct piece p[NR_PIECES];
	size_t total;
	unsigned char *copy;		/* total bytes */
};

static void fill(struct pieces *ps, u64 tag)
{
	unsigned int i;

	for (i = 0; i < NR_PIECES; i++)
		quarry_test_fill(ps->p[i].addr, ps->p[i].len, tag + i);
}

static void expect_filled(struct kunit *test, const struct pieces *ps, u64 tag)
{
	unsigned int i;

	for (i = 0; i < NR_PIECES; i++)
		KUNIT_EXPECT_TRUE_MSG(test, quarry_test_check(ps->p[i].addr, ps->p[i].len, tag + i),
				      "%s", ps->p[i].what);
}

static struct pieces *make_pieces(struct kunit *test)
{
	struct pieces *ps = quarry_test_array(test, 1, sizeof(*ps));
	unsigned int i;

	ps->heap = quarry_test_heap(test);
	ps->cache = quarry_test_cache(test, ps->heap, OBJ_SIZE, 0, 0, NULL);
	ps->arena = quarry_test_arena(test, ps->heap, NULL);
	ps->p[0] = (struct piece){ quarry_cache_alloc(ps->cache, GFP_KERNEL), OBJ_SIZE, "object" };
	ps->p[1] = (struct piece){ quarry_alloc_data(ps->heap, 3000, GFP_KERNEL), 3000, "data" };
	ps->p[2] = (struct piece){ quarry_alloc(ps->heap, BIG_SIZE, GFP_KERNEL), BIG_SIZE, "big" };
	ps->p[3] = (struct piece){ quarry_alloc_pages_exact(ps->heap, RUN_PAGES, GFP_KERNEL),
				   RUN_PAGES << PAGE_SHIFT, "run" };
	ps->p[4] = (struct piece){ quarry_arena_alloc(ps->arena, ARENA_SIZE, GFP_KERNEL),
				   ARENA_SIZE, "arena" };
	for (i = 0; i < NR_PIECES; i++) {
		KUNIT_ASSERT_NOT_NULL_MSG(test, ps->p[i].addr, "%s", ps->p[i].what);
		ps->total += ps->p[i].len;
	}
	ps->copy = quarry_test_array(test, 1, ps->total);
	fill(ps, 1);
	return ps;
}

/* Whatever was done with them, the pages are as they were, and all of them go back. */
static void drop_pieces(struct kunit *test, struct pieces *ps)
{
	struct page *page;
	unsigned int i;
	size_t at;

	for (i = 0; i < NR_PIECES; i++) {
		for (at = 0; at < ps->p[i].len; at += PAGE_SIZE) {
			page = virt_to_page(ps->p[i].addr + at);
			KUNIT_EXPECT_EQ_MSG(test, page_ref_count(page), 0, "%s, byte %zu",
					    ps->p[i].what, at);
		}
	}
	quarry_test_arena_done(test, ps->arena);
	for (i = 0; i < NR_PIECES - 1; i++)
		quarry_free(ps->p[i].addr);
	quarry_heap_trim(ps->heap);
	KUNIT_EXPECT_EQ(test, quarry_test_stats(ps->heap).mapped, 0ULL);
	KUNIT_EXPECT_EQ(test, quarry_test_stats(ps->heap).lost, 0ULL);
}

/* The pieces one after the other, as fill() left them. */
static bool copy_is_filled(const struct pieces *ps, u64 tag)
{
	size_t at = 0;
	unsigned int i;

	for (i = 0; i < NR_PIECES; at += ps->p[i++].len)
		if (!quarry_test_check(ps->copy + at, ps->p[i].len, tag + i))
			return false;
	return true;
}

/* === Struct pages === */

static void pages_and_addresses(struct kunit *test)
{
	struct pieces *ps = make_pieces(test);
	struct page *page;
	unsigned int i;
	void *local;
	size_t at;

	for (i = 0; i < NR_PIECES; i++) {
		for (at = 0; at < ps->p[i].len; at += PAGE_SIZE) {
			void *addr = ps->p[i].addr + at;

			KUNIT_ASSERT_TRUE(test, virt_addr_valid(addr));
			page = virt_to_page(addr);
			KUNIT_EXPECT_PTR_EQ(test, page_to_virt(page) + offset_in_page(addr), addr);
			KUNIT_EXPECT_PTR_EQ(test, page_address(page) + offset_in_page(addr), addr);
			KUNIT_EXPECT_EQ(test, page_to_phys(page) + offset_in_page(addr),
					virt_to_phys(addr));
			KUNIT_EXPECT_PTR_EQ(test, virt_to_head_page(addr), page);
			KUNIT_EXPECT_FALSE(test, PageCompound(page));
			KUNIT_EXPECT_FALSE(test, PageSlab(page));
			KUNIT_EXPECT_NULL(test, page->mapping);
			local = kmap_local_page(page);
			KUNIT_EXPECT_EQ(test, memcmp(local + offset_in_page(addr), addr, 1), 0);
			kunmap_local(local);
		}
	}
	drop_pieces(test, ps);
}

/* Who asks properly is told that these are not for counting. */
static void references_are_refused(struct kunit *test)
{
	struct pieces *ps = make_pieces(test);
	struct page *page;
	unsigned int i;

	for (i = 0; i < NR_PIECES; i++) {
		page = virt_to_page(ps->p[i].addr);
		KUNIT_EXPECT_EQ(test, page_count(page), 0);
		KUNIT_EXPECT_FALSE(test, get_page_unless_zero(page));
		KUNIT_EXPECT_FALSE(test, folio_try_get(page_folio(page)));
		KUNIT_EXPECT_FALSE(test, sendpage_ok(page));
	}
	drop_pieces(test, ps);
}

/* An even get and put frees the page: the heap finds that it is not its own any more. */
static void get_and_put_give_it_away(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	void *run;

	if (IS_ENABLED(CONFIG_DEBUG_VM))
		kunit_skip(test, "DEBUG_VM: get_page() of a frozen page is a BUG()");
	run = quarry_alloc_pages_exact(heap, 16, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, run);
	quarry_test_expect_lost_page();
	get_page(virt_to_page(run + 3 * PAGE_SIZE));
	put_page(virt_to_page(run + 3 * PAGE_SIZE));
	KUNIT_EXPECT_NULL_MSG(test, quarry_heap_of(run + 3 * PAGE_SIZE), "the kernel has it");
	KUNIT_EXPECT_PTR_EQ(test, quarry_heap_of(run + 4 * PAGE_SIZE), heap);
	quarry_free_pages(run);
	QUARRY_EXPECT_REPORTS(test, 1, quarry_heap_trim(heap));
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).lost, (u64)PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).mapped, 0ULL);
	quarry_test_destroy_expect_reports(1);
	quarry_test_heap_done(test, heap);
}

/* private is how an address finds its heap. */
static void private_is_the_heaps(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	unsigned long ours;
	struct page *page;
	void *run;

	run = quarry_alloc_pages_exact(heap, 17, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, run);
	page = virt_to_page(run);
	ours = page_private(page);
	set_page_private(page, ours + 77777);
	KUNIT_EXPECT_NULL(test, quarry_heap_of(run));
	QUARRY_EXPECT_REPORTS(test, 1, quarry_free_pages(run));
	set_page_private(page, ours);
	quarry_free_pages(run);

	quarry_test_expect_lost_page();
	set_page_private(page, ours + 77777);
	QUARRY_EXPECT_REPORTS(test, 1, quarry_heap_trim(heap));
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).lost, (u64)PAGE_SIZE);
	quarry_test_destroy_expect_reports(1);
	quarry_test_heap_done(test, heap);

	/* No one's now. */
	set_page_private(page, 0);
	set_page_count(page, 1);
	__free_page(page);
}

/* An arena's chunk goes back all the same. */
static void private_of_a_chunk(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_arena *arena = quarry_test_arena(test, heap, NULL);
	/* In a chunk of its own that begins on the same page. */
	void *ptr = quarry_arena_alloc(arena, 100000, GFP_KERNEL);
	struct page *page;

	KUNIT_ASSERT_NOT_NULL(test, ptr);
	page = virt_to_page(ptr);
	set_page_private(page, page_private(page) + 77777);
	quarry_test_arena_done(test, arena);
	QUARRY_EXPECT_ALLOCATED(test, heap, 0);
	QUARRY_EXPECT_VERIFIED(test, heap);
	quarry_test_expect_lost_page();
	QUARRY_EXPECT_REPORTS(test, 1, quarry_heap_trim(heap));
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).lost, (u64)PAGE_SIZE);
	quarry_test_destroy_expect_reports(1);
	quarry_test_heap_done(test, heap);
	set_page_private(page, 0);
	set_page_count(page, 1);
	__free_page(page);
}

/* === DMA === */

static void drop_device(void *pdev)
{
	platform_device_unregister(pdev);
}

static struct device *dma_device(struct kunit *test)
{
	struct platform_device *pdev;

	if (!IS_ENABLED(CONFIG_HAS_DMA))
		kunit_skip(test, "needs CONFIG_HAS_DMA");
	pdev = platform_device_register_simple("quarry_kunit", PLATFORM_DEVID_AUTO, NULL, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR(pdev));
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, drop_device, pdev), 0);
	KUNIT_ASSERT_EQ(test, dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64)), 0);
	return &pdev->dev;
}

/* There is no IOMMU where KUnit runs, and a mask of 64 bits needs no bounce buffer. */
static void expect_direct(struct kunit *test, struct device *dev, dma_addr_t dma, void *addr,
			  const char *what)
{
	KUNIT_ASSERT_EQ_MSG(test, dma_mapping_error(dev, dma), 0, "%s", what);
	KUNIT_EXPECT_EQ_MSG(test, (u64)dma, (u64)virt_to_phys(addr), "%s", what);
}

static void dma_of_pieces(struct kunit *test)
{
	struct device *dev = dma_device(test);
	struct pieces *ps = make_pieces(test);
	dma_addr_t dma;
	unsigned int i;

	for (i = 0; i < NR_PIECES; i++) {
		const struct piece *p = &ps->p[i];

		dma = dma_map_single(dev, p->addr, p->len, DMA_BIDIRECTIONAL);
		expect_direct(test, dev, dma, p->addr, p->what);
		dma_sync_single_for_cpu(dev, dma, p->len, DMA_BIDIRECTIONAL);
		dma_sync_single_for_device(dev, dma, p->len, DMA_BIDIRECTIONAL);
		dma_unmap_single(dev, dma, p->len, DMA_BIDIRECTIONAL);

		dma = dma_map_page(dev, virt_to_page(p->addr), offset_in_page(p->addr), p->len,
				   DMA_TO_DEVICE);
		expect_direct(test, dev, dma, p->addr, p->what);
		dma_unmap_page(dev, dma, p->len, DMA_TO_DEVICE);
	}
	expect_filled(test, ps, 1);
	drop_pieces(test, ps);
}

static void set_table(struct scatterlist *sgl, const struct pieces *ps)
{
	unsigned int i;

	sg_init_table(sgl, NR_PIECES);
	for (i = 0; i < NR_PIECES; i++)
		sg_set_page(&sgl[i], virt_to_page(ps->p[i].addr), ps->p[i].len,
			    offset_in_page(ps->p[i].addr));
}

static void dma_of_a_table(struct kunit *test)
{
	struct device *dev = dma_device(test);
	struct pieces *ps = make_pieces(test);
	struct scatterlist sgl[NR_PIECES], *sg;
	int i, nr;

	set_table(sgl, ps);
	nr = dma_map_sg(dev, sgl, NR_PIECES, DMA_FROM_DEVICE);
	KUNIT_ASSERT_EQ(test, nr, NR_PIECES);
	for_each_sg(sgl, sg, nr, i) {
		KUNIT_EXPECT_EQ(test, (u64)sg_dma_address(sg), (u64)virt_to_phys(ps->p[i].addr));
		KUNIT_EXPECT_EQ(test, (size_t)sg_dma_len(sg), ps->p[i].len);
	}
	dma_sync_sg_for_cpu(dev, sgl, NR_PIECES, DMA_FROM_DEVICE);
	dma_sync_sg_for_device(dev, sgl, NR_PIECES, DMA_FROM_DEVICE);
	dma_unmap_sg(dev, sgl, NR_PIECES, DMA_FROM_DEVICE);
	expect_filled(test, ps, 1);
	drop_pieces(test, ps);
}

/* === Scatterlists, kvecs, bios === */

static void tables_are_copied(struct kunit *test)
{
	struct pieces *ps = make_pieces(test);
	struct scatterlist sgl[NR_PIECES], one;

	set_table(sgl, ps);
	KUNIT_EXPECT_EQ(test, sg_copy_to_buffer(sgl, NR_PIECES, ps->copy, ps->total), ps->total);
	KUNIT_EXPECT_TRUE(test, copy_is_filled(ps, 1));
	KUNIT_EXPECT_EQ(test, sg_zero_buffer(sgl, NR_PIECES, ps->total, 0), ps->total);
	KUNIT_EXPECT_TRUE(test, quarry_test_is_zero(ps->p[3].addr, ps->p[3].len));
	KUNIT_EXPECT_EQ(test, sg_copy_from_buffer(sgl, NR_PIECES, ps->copy, ps->total), ps->total);
	expect_filled(test, ps, 1);

	sg_init_one(&one, ps->p[2].addr, ps->p[2].len);
	KUNIT_EXPECT_PTR_EQ(test, sg_virt(&one), ps->p[2].addr);
	KUNIT_EXPECT_EQ(test, sg_copy_to_buffer(&one, 1, ps->copy, ps->total), ps->p[2].len);
	KUNIT_EXPECT_TRUE(test, quarry_test_check(ps->copy, ps->p[2].len, 3));
	drop_pieces(test, ps);
}

static void set_kvec(struct kvec *vec, const struct pieces *ps)
{
	unsigned int i;

	for (i = 0; i < NR_PIECES; i++)
		vec[i] = (struct kvec){ ps->p[i].addr, ps->p[i].len };
}

static void kvecs_are_copied(struct kunit *test)
{
	struct pieces *ps = make_pieces(test);
	struct page *pages[4], **to = pages;
	struct kvec vec[NR_PIECES];
	struct iov_iter iter;
	size_t offset;

	set_kvec(vec, ps);
	iov_iter_kvec(&iter, ITER_SOURCE, vec, NR_PIECES, ps->total);
	KUNIT_EXPECT_EQ(test, copy_from_iter(ps->copy, ps->total, &iter), ps->total);
	KUNIT_EXPECT_TRUE(test, copy_is_filled(ps, 1));
	memset(ps->p[3].addr, 0, ps->p[3].len);
	iov_iter_kvec(&iter, ITER_DEST, vec, NR_PIECES, ps->total);
	KUNIT_EXPECT_EQ(test, copy_to_iter(ps->copy, ps->total, &iter), ps->total);
	expect_filled(test, ps, 1);

	/* What direct I/O does takes no references, what would is refused for kvecs. */
	iov_iter_kvec(&iter, ITER_DEST, &vec[3], 1, ps->p[3].len);
	KUNIT_EXPECT_EQ(test, iov_iter_extract_pages(&iter, &to, ps->p[3].len, 4, 0, &offset),
			(ssize_t)(4 * PAGE_SIZE));
	KUNIT_EXPECT_PTR_EQ(test, pages[3], virt_to_page(ps->p[3].addr + 3 * PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, page_count(pages[3]), 0);
	iov_iter_kvec(&iter, ITER_DEST, &vec[3], 1, ps->p[3].len);
	KUNIT_EXPECT_EQ(test, iov_iter_get_pages2(&iter, pages, PAGE_SIZE, 1, &offset),
			(ssize_t)-EFAULT);
	drop_pieces(test, ps);
}

static void close_file(void *file)
{
	filp_close(file, NULL);
}

/* A file without a name in the root file system, which is memory. */
static void files_are_written_and_read(struct kunit *test)
{
	struct pieces *ps = make_pieces(test);
	struct file *file = filp_open("/", O_TMPFILE | O_RDWR, 0600);
	loff_t pos = 0;
	unsigned int i;

	if (IS_ERR(file)) {
		drop_pieces(test, ps);
		kunit_skip(test, "no file in the root file system: %ld", PTR_ERR(file));
	}
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, close_file, file), 0);
	for (i = 0; i < NR_PIECES; i++)
		KUNIT_EXPECT_EQ_MSG(test, kernel_write(file, ps->p[i].addr, ps->p[i].len, &pos),
				    (ssize_t)ps->p[i].len, "%s", ps->p[i].what);
	for (i = 0; i < NR_PIECES; i++)
		memset(ps->p[i].addr, 0, ps->p[i].len);
	pos = 0;
	for (i = 0; i < NR_PIECES; i++)
		KUNIT_EXPECT_EQ_MSG(test, kernel_read(file, ps->p[i].addr, ps->p[i].len, &pos),
				    (ssize_t)ps->p[i].len, "%s", ps->p[i].what);
	expect_filled(test, ps, 1);
	drop_pieces(test, ps);
}

#ifdef CONFIG_BLOCK
/* What a driver that never puts pages does with a bio; neighbours become one piece. */
static void bios_carry_pages(struct kunit *test)
{
	struct pieces *ps = make_pieces(test);
	const struct piece *run = &ps->p[3];
	struct bio_vec vecs[4], bv;
	struct bvec_iter iter;
	struct bio bio;
	unsigned int i;
	size_t at = 0;

	bio_init(&bio, NULL, vecs, ARRAY_SIZE(vecs), REQ_OP_WRITE);
	for (i = 0; i < RUN_PAGES; i++)
		KUNIT_EXPECT_EQ(test, bio_add_page(&bio, virt_to_page(run->addr) + i, PAGE_SIZE, 0),
				(int)PAGE_SIZE);
	KUNIT_EXPECT_EQ_MSG(test, bio.bi_vcnt, 1, "one run, one vector");
	KUNIT_EXPECT_EQ(test, bio_add_page(&bio, virt_to_page(ps->p[0].addr), OBJ_SIZE,
					   offset_in_page(ps->p[0].addr)), (int)OBJ_SIZE);
	bio_for_each_segment(bv, &bio, iter) {
		memcpy_from_bvec(ps->copy + at, &bv);
		at += bv.bv_len;
	}
	KUNIT_EXPECT_EQ(test, at, run->len + OBJ_SIZE);
	KUNIT_EXPECT_TRUE(test, quarry_test_check(ps->copy, run->len, 4));
	KUNIT_EXPECT_TRUE(test, quarry_test_check(ps->copy + run->len, OBJ_SIZE, 1));
	/* Not pinned, so nothing is put. */
	bio_release_pages(&bio, false);
	bio_uninit(&bio);
	drop_pieces(test, ps);
}
#else
static void bios_carry_pages(struct kunit *test)
{
	kunit_skip(test, "needs CONFIG_BLOCK");
}
#endif

/* === Mappings in the kernel === */

/* The pages of a run, last one first: a mapping of ours in another order. */
static void run_is_mapped_backwards(struct kunit *test)
{
	struct pieces *ps = make_pieces(test);
	struct page *pages[RUN_PAGES];
	void *run = ps->p[3].addr, *map;
	unsigned int i;

	for (i = 0; i < RUN_PAGES; i++)
		pages[i] = virt_to_page(run + (RUN_PAGES - 1 - i) * PAGE_SIZE);
	map = vmap(pages, RUN_PAGES, VM_MAP, PAGE_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, map);
	KUNIT_EXPECT_PTR_EQ(test, vmalloc_to_page(map), pages[0]);
	for (i = 0; i < RUN_PAGES; i++) {
		KUNIT_EXPECT_EQ(test, memcmp(map + i * PAGE_SIZE,
					     run + (RUN_PAGES - 1 - i) * PAGE_SIZE, PAGE_SIZE), 0);
		KUNIT_EXPECT_EQ(test, page_count(pages[i]), 0);
	}
	quarry_test_fill(map, RUN_PAGES << PAGE_SHIFT, 99);
	vunmap(map);
	vm_unmap_aliases();
	for (i = 0; i < RUN_PAGES; i++)
		memcpy(ps->copy + i * PAGE_SIZE, run + (RUN_PAGES - 1 - i) * PAGE_SIZE, PAGE_SIZE);
	KUNIT_EXPECT_TRUE(test, quarry_test_check(ps->copy, RUN_PAGES << PAGE_SHIFT, 99));
	drop_pieces(test, ps);
}

/* Uncached for a while, cached again before the pages go. */
static void run_is_uncached(struct kunit *test)
{
#if defined(CONFIG_X86) && !defined(CONFIG_UML)
	struct pieces *ps = make_pieces(test);
	const struct piece *run = &ps->p[3];

	KUNIT_ASSERT_EQ(test, set_memory_uc((unsigned long)run->addr, RUN_PAGES), 0);
	KUNIT_EXPECT_TRUE(test, quarry_test_check(run->addr, run->len, 4));
	quarry_test_fill(run->addr, run->len, 77);
	KUNIT_EXPECT_EQ(test, set_memory_wb((unsigned long)run->addr, RUN_PAGES), 0);
	KUNIT_EXPECT_TRUE(test, quarry_test_check(run->addr, run->len, 77));
	drop_pieces(test, ps);
#else
	kunit_skip(test, "needs set_memory_uc()");
#endif
}

/* === User space === */

/* Shared, as a driver's mmap() gets it; readable and writable. */
static unsigned long user_area(struct kunit *test, size_t len)
{
	unsigned long addr = kunit_vm_mmap(test, NULL, 0, len, PROT_READ | PROT_WRITE,
					   MAP_SHARED | MAP_ANONYMOUS, 0);

	if (!addr || IS_ERR_VALUE(addr))
		kunit_skip(test, "no user memory for a test: %ld", (long)addr);
	return addr;
}

static void user_copies(struct kunit *test)
{
	unsigned long area = user_area(test, SZ_128K);
	struct pieces *ps = make_pieces(test);
	void __user *user = (void __user *)area;
	unsigned int i;

	for (i = 0; i < NR_PIECES; i++) {
		const struct piece *p = &ps->p[i];

		KUNIT_ASSERT_LE(test, p->len, (size_t)SZ_128K);
		KUNIT_EXPECT_EQ_MSG(test, copy_to_user(user, p->addr, p->len), 0UL, "%s", p->what);
		memset(p->addr, 0, p->len);
		KUNIT_EXPECT_EQ_MSG(test, copy_from_user(p->addr, user, p->len), 0UL, "%s",
				    p->what);
	}
	expect_filled(test, ps, 1);
	drop_pieces(test, ps);
}

/* The area is mapped to the run until it is unmapped, which must be before the free. */
static int map_run(unsigned long area, void *run)
{
	struct vm_area_struct *vma;
	int ret = -ENOENT;

	mmap_write_lock(current->mm);
	vma = find_vma(current->mm, area);
	if (vma)
		ret = remap_pfn_range(vma, vma->vm_start, PHYS_PFN(virt_to_phys(run)),
				      RUN_PAGES << PAGE_SHIFT, vma->vm_page_prot);
	mmap_write_unlock(current->mm);
	return ret;
}

static void users_see_a_run(struct kunit *test)
{
	const size_t len = RUN_PAGES << PAGE_SHIFT;
	unsigned long area = user_area(test, len);
	struct pieces *ps = make_pieces(test);
	void __user *user = (void __user *)area;
	void *run = ps->p[3].addr;
	struct page *page;

	KUNIT_ASSERT_EQ(test, map_run(area, run), 0);
	KUNIT_EXPECT_EQ(test, copy_from_user(ps->copy, user, len), 0UL);
	KUNIT_EXPECT_TRUE(test, quarry_test_check(ps->copy, len, 4));
	quarry_test_fill(ps->copy, len, 55);
	KUNIT_EXPECT_EQ(test, copy_to_user(user, ps->copy, len), 0UL);
	KUNIT_EXPECT_TRUE(test, quarry_test_check(run, len, 55));
	KUNIT_EXPECT_EQ_MSG(test, pin_user_pages_fast(area, 1, FOLL_WRITE, &page), -EFAULT,
			    "no direct I/O on such a mapping");
	KUNIT_EXPECT_FALSE(test, page_mapped(virt_to_page(run)));
	KUNIT_EXPECT_EQ(test, vm_munmap(area, len), 0);
	drop_pieces(test, ps);
}

static int insert_page(unsigned long area, void *addr)
{
	struct vm_area_struct *vma;
	int ret = -ENOENT;

	mmap_write_lock(current->mm);
	vma = find_vma(current->mm, area);
	if (vma)
		ret = vm_insert_page(vma, vma->vm_start, virt_to_page(addr));
	mmap_write_unlock(current->mm);
	return ret;
}

static void inserting_is_refused(struct kunit *test)
{
	unsigned long area = user_area(test, PAGE_SIZE);
	struct pieces *ps = make_pieces(test);
	unsigned int i;

	for (i = 0; i < NR_PIECES; i++)
		KUNIT_EXPECT_EQ_MSG(test, insert_page(area, ps->p[i].addr), -EINVAL, "%s",
				    ps->p[i].what);
	drop_pieces(test, ps);
}

/* === The kernel's own business with pages === */

/* A broken page stays where it is as long as it is used, and does not go back. */
static void broken_page_stays_out(struct kunit *test)
{
#ifdef CONFIG_MEMORY_FAILURE
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_test_run run;
	struct page *page;

	KUNIT_ASSERT_TRUE(test, quarry_test_run_alloc(heap, &run, 16, 1));
	page = virt_to_page(run.addr + 7 * PAGE_SIZE);
	quarry_test_expect_lost_page();
	KUNIT_EXPECT_LT(test, memory_failure(page_to_pfn(page), MF_SW_SIMULATED), 0);
	KUNIT_EXPECT_TRUE(test, PageHWPoison(page));
	KUNIT_EXPECT_EQ(test, page_count(page), 0);
	quarry_test_run_free(test, &run);
	QUARRY_EXPECT_REPORTS(test, 1, quarry_heap_trim(heap));
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).lost, (u64)PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).mapped, 0ULL);
	quarry_test_destroy_expect_reports(1);
	quarry_test_heap_done(test, heap);
#else
	kunit_skip(test, "needs CONFIG_MEMORY_FAILURE");
#endif
}

#define NR_SINGLE	512U		/* pages of the heap */
#define NR_TAKEN	8192U		/* pages that the kernel is asked for */

/* Is @page among @nr of ours that went back? */
static bool was_ours(void *const *gone, unsigned int nr, const struct page *page)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (gone[i] == page_address(page))
			return true;
	return false;
}

/* The kernel hands pages out, they are written to and go back; how many were in @gone. */
static unsigned int reuse_pages(void *const *gone, unsigned int nr)
{
	struct page *page, *next;
	unsigned int i, hits = 0;
	LIST_HEAD(pages);

	for (i = 0; i < NR_TAKEN; i++) {
		page = alloc_page(GFP_KERNEL);
		if (!page)
			break;
		list_add(&page->lru, &pages);
		memset(page_address(page), 0xa5, PAGE_SIZE);
		hits += was_ours(gone, nr, page);
	}
	list_for_each_entry_safe(page, next, &pages, lru)
		__free_page(page);
	return hits;
}

static void expect_reused(struct kunit *test, void *const *gone, unsigned int nr)
{
	KUNIT_EXPECT_GT(test, reuse_pages(gone, nr), 0U);
	KUNIT_EXPECT_GT_MSG(test, reuse_pages(gone, nr), 0U, "once more");
}

/*
 * Blocks in the middle of extents go back and the kernel hands out those very pages.
 * Page owner, allocation profiling and kmemleak have records of each page, and
 * complain where those do not fit.
 */
static void holes_serve_the_kernel(struct kunit *test)
{
	struct quarry_heap *heap = quarry_test_heap(test);
	struct quarry_test_run *pages = quarry_test_array(test, NR_SINGLE, sizeof(*pages));
	void **gone = quarry_test_array(test, NR_SINGLE, sizeof(*gone));
	void *kept[NR_SINGLE / 9];
	unsigned int i, nr = 0;

	for (i = 0; i < NR_SINGLE; i++)
		KUNIT_ASSERT_TRUE(test, quarry_test_run_alloc(heap, &pages[i], 1, i));
	/* Blocks of eight pages with one page left between two of them. */
	for (i = 0; i < NR_SINGLE; i++) {
		if (i % 9 == 8) {
			kept[i / 9] = pages[i].addr;
			continue;
		}
		gone[nr++] = pages[i].addr;
		quarry_test_run_free(test, &pages[i]);
	}
	quarry_heap_trim(heap);
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).mapped, (u64)(NR_SINGLE - nr) << PAGE_SHIFT);
	expect_reused(test, gone, nr);
	for (i = 0; i < NR_SINGLE; i++)
		if (pages[i].addr)
			quarry_test_run_free(test, &pages[i]);
	quarry_heap_trim(heap);
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).mapped, 0ULL);
	KUNIT_EXPECT_EQ(test, quarry_test_stats(heap).lost, 0ULL);
	/* The pages between the holes were split too, and are back. */
	for (i = 8; i < NR_SINGLE; i += 9)
		gone[nr++] = kept[i / 9];
	expect_reused(test, gone, nr);
}

static struct kunit_case pageuse_cases[] = {
	KUNIT_CASE(pages_and_addresses),
	KUNIT_CASE(references_are_refused),
	KUNIT_CASE(get_and_put_give_it_away),
	KUNIT_CASE(private_is_the_heaps),
	KUNIT_CASE(private_of_a_chunk),
	KUNIT_CASE(dma_of_pieces),
	KUNIT_CASE(dma_of_a_table),
	KUNIT_CASE(tables_are_copied),
	KUNIT_CASE(kvecs_are_copied),
	KUNIT_CASE(files_are_written_and_read),
	KUNIT_CASE(bios_carry_pages),
	KUNIT_CASE(run_is_mapped_backwards),
	KUNIT_CASE(run_is_uncached),
	KUNIT_CASE(user_copies),
	KUNIT_CASE(users_see_a_run),
	KUNIT_CASE(inserting_is_refused),
	KUNIT_CASE(broken_page_stays_out),
	KUNIT_CASE(holes_serve_the_kernel),
	{}
};

struct kunit_suite quarry_pageuse_suite = {
	.name = "quarry_pageuse",
	.init = quarry_test_init,
	.exit = quarry_test_exit,
	.test_cases = pageuse_cases,
};
