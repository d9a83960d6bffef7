using Vmm.Core.Backends;
using Vmm.Host.Aio;

namespace Vmm.Storage.Engines;

/// <summary>A request whose bytes lie in the file as they are, on its way to or from it.</summary>
internal sealed class ImageTransfer(BlockEngine engine) : BlockTransfer
{
    /// <summary>Whose request it is.</summary>
    public DiskImageBase? Image { get; set; }

    public BlockRequest? Request { get; set; }

    /// <summary>For the image: what it entered for this.</summary>
    public int Ticket { get; set; }

    protected override void Ended(int error)
    {
        (DiskImageBase image, BlockRequest request, int ticket) = (Image!, Request!, Ticket);
        (Image, Request) = (null, null);
        engine.Return(this);
        image.TransferEnded(request, ticket, error);
    }
}
